/** PostgreSQL 16 with its own pg_dump, the one build at hand that has it, and stand-ins for programs of other versions. */
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { downloadPgvector } from '../../../infra/src/pgvector-download.ts'
import type { ToolName } from '../src/index.ts'

const PACED = fileURLToPath(new URL('paced.ts', import.meta.url))

/** Folder of pg_dump and pg_restore 16. */
export async function programsOf16(): Promise<string> {
  const { folder, programs } = await downloadPgvector(() => undefined)
  return join(folder, programs)
}

/** A pg_dump that says a version, and then does what the shell is told. */
export function standInForPgDump(folder: string, version: string, script: string): void {
  standIn(folder, 'pg_dump', version, script)
}

/** pg_dump and pg_restore 16 that write and read so many bytes a second. */
export async function pacedPrograms(folder: string, bytesPerSecond: number): Promise<void> {
  const programs = await programsOf16()
  const paced = `'${process.execPath}' '${PACED}' ${bytesPerSecond}`
  standIn(folder, 'pg_dump', '16.14', `'${programs}/pg_dump' "$@" | ${paced}`)
  const pgRestore = `'${programs}/pg_restore' "$@"`
  // The list of contents is read before, at full speed.
  standIn(folder, 'pg_restore', '16.14', `if [ "$1" = --list ]; then ${pgRestore}; else ${paced} | ${pgRestore}; fi`)
}

/** A pg_dump 16 of which nobody reads more until the file is there, or a hundred seconds have passed. */
export async function heldPgDump(folder: string, file: string): Promise<void> {
  const programs = await programsOf16()
  const wait = `n=0; until [ -e '${file}' ] || [ $n -ge 1000 ]; do n=$((n + 1)); sleep 0.1; done`
  standIn(folder, 'pg_dump', '16.14', `'${programs}/pg_dump' "$@" | { ${wait}; cat; }`)
}

function standIn(folder: string, name: ToolName, version: string, script: string): void {
  const file = join(folder, name)
  writeFileSync(file, `#!/bin/sh\nif [ "$1" = --version ]; then echo '${name} (PostgreSQL) ${version}'; exit 0; fi\n${script}\n`)
  chmodSync(file, 0o755)
}
