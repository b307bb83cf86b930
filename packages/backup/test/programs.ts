/** PostgreSQL 16 with its own pg_dump, the one build at hand that has it, and stand-ins for programs of other versions. */
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { downloadPgvector } from '../../../infra/src/pgvector-download.ts'

/** Folder of pg_dump and pg_restore 16. */
export async function programsOf16(): Promise<string> {
  const { folder, programs } = await downloadPgvector(() => undefined)
  return join(folder, programs)
}

/** A pg_dump that says a version, and then does what the shell is told. */
export function standInForPgDump(folder: string, version: string, script: string): void {
  const file = join(folder, 'pg_dump')
  writeFileSync(file, `#!/bin/sh\nif [ "$1" = --version ]; then echo 'pg_dump (PostgreSQL) ${version}'; exit 0; fi\n${script}\n`)
  chmodSync(file, 0o755)
}
