#!/usr/bin/env -S node --max-semi-space-size=8
/** The command `sluice`: reads argv and the environment, runs one command, ends with its exit code. */
import { runCli } from './cli.ts'

process.exit(await runCli(process.argv.slice(2), process))
