#!/usr/bin/env -S node --max-semi-space-size=8
/** The command `sluice`: reads argv and the environment, runs one command, ends with its exit code. */
import { keepCompiledCode } from './compile-cache.ts'

keepCompiledCode()
// Imported only now: what is imported above is compiled before anything runs.
const { runCli } = await import('./cli.ts')
process.exit(await runCli(process.argv.slice(2), process))
