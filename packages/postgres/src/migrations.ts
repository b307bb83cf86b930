/** Plain SQL migrations by node-pg-migrate: files `NNNN_name.sql` with `-- Up Migration` and `-- Down Migration`. */
import { readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { SluiceError } from '@sluice/core'
import { runner } from 'node-pg-migrate'
import pg from 'pg'
import { connect, sessionConfig } from './connection.ts'
import { quoteIdentifier } from './identifier.ts'
import { isConnectionFault, refusedBy, toPostgresError } from './postgres-error.ts'
import type { PostgresTarget } from './target.ts'

export interface MigrationSet {
  readonly folder: URL
  /** Table in `public` that remembers what was applied; each set has its own. */
  readonly table: string
}

/**
 * Applies every pending migration in one transaction; a failure leaves nothing of them.
 *
 * @throws SluiceError SLU-5030 with the file that failed; SLU-2001 to SLU-2003
 */
export async function migrate(target: PostgresTarget, set: MigrationSet): Promise<{ applied: readonly string[] }> {
  // The messages name the file that runs; the last one before a failure is the one that failed.
  const progress: string[] = []
  const keep = (message: string): void => {
    progress.push(message)
  }
  try {
    const done = await runner({
      databaseUrl: sessionConfig(target, { applicationName: 'sluice migrate' }),
      dir: fileURLToPath(set.folder),
      migrationsTable: set.table,
      direction: 'up',
      singleTransaction: true,
      checkOrder: true,
      advisoryLockMode: 'wait',
      logger: { debug: keep, info: keep, warn: keep, error: () => undefined },
    })
    return { applied: done.map((m) => m.name) }
  } catch (error) {
    if (isConnectionFault(error)) throw toPostgresError(error, target)
    const running = progress.findLast((line) => line.startsWith('### MIGRATION'))
    throw new SluiceError('MIGRATION_FAILED', {
      what: `a migration of ${target.name} (${target.display}) failed${running ? `: ${running.replace(/^### MIGRATION | ?\(UP\) ?###$/g, '')}` : ''}`,
      why: `${reason(error)}; all pending migrations were rolled back`,
      ways: [`correct the file in ${fileURLToPath(set.folder)}, then: sluice provision`],
      cause: error,
    })
  }
}

/** Names of the migrations that `migrate` would apply; changes nothing. */
export async function pendingMigrations(target: PostgresTarget, set: MigrationSet): Promise<readonly string[]> {
  const files = (await readdir(set.folder)).filter((f) => f.endsWith('.sql')).map((f) => f.slice(0, -'.sql'.length))
  const client = await connect(target, { applicationName: 'sluice migrate' })
  try {
    const exists = await client.query<{ found: string | null }>('SELECT to_regclass($1)::text AS found', [
      `public.${quoteIdentifier(set.table)}`,
    ])
    if (!exists.rows[0]?.found) return files.sort()
    const { rows } = await client.query<{ name: string }>(`SELECT name FROM public.${quoteIdentifier(set.table)}`)
    const applied = new Set(rows.map((r) => r.name))
    return files.filter((f) => !applied.has(f)).sort()
  } catch (error) {
    throw toPostgresError(error, target)
  } finally {
    await client.end()
  }
}

function reason(error: unknown): string {
  if (error instanceof pg.DatabaseError) {
    const { sqlState, table, constraint } = refusedBy(error)
    const isData = /^(22|23)/.test(sqlState)
    return [
      isData ? 'a row was refused' : error.message,
      `SQLSTATE ${sqlState}`,
      table && `table ${table}`,
      constraint && `constraint ${constraint}`,
    ]
      .filter(Boolean)
      .join(', ')
  }
  return error instanceof Error ? error.message : String(error)
}
