/**
 * Plain SQL migrations by node-pg-migrate: files `NNNN_name.sql` with `-- Up Migration` and `-- Down Migration`. Who applies or undoes holds
 * the library's advisory lock of the database; it is one of the session, so never behind a pooler in transaction mode.
 */
import { fileURLToPath } from 'node:url'
import { SluiceError, isSluiceError, quoteIdentifier } from '@sluice/core'
import { PG_MIGRATE_LOCK_ID, runner } from 'node-pg-migrate'
import pg from 'pg'
import { withConnection } from './connection.ts'
import { assertMigrationFiles, migrationNames, readMigrationFile } from './migration-file.ts'
import { isConnectionFault, refusedBy, toPostgresError } from './postgres-error.ts'
import type { PostgresTarget } from './target.ts'

const SESSION = { applicationName: 'sluice migrate' }

export interface MigrationSet {
  readonly folder: URL
  /** Table in `public` that remembers what was applied; each set has its own. */
  readonly table: string
}

/** What a database says of a set. */
export interface MigrationState {
  /** In the order in which they were applied. */
  readonly applied: readonly { readonly name: string; readonly appliedAt: Date }[]
  /** Names of the files that `migrate` would apply, in their order. */
  readonly pending: readonly string[]
  /** Applied ones that have no file any more. */
  readonly missing: readonly string[]
}

/**
 * Applies every pending migration in one transaction; a failure leaves nothing of them.
 *
 * @param options.count how many at most. @default all
 * @throws SluiceError SLU-5030 with the file that failed; SLU-5031; SLU-2001 to SLU-2003
 */
export async function migrate(
  target: PostgresTarget,
  set: MigrationSet,
  options: { readonly count?: number } = {},
): Promise<{ applied: readonly string[] }> {
  await assertMigrationFiles(set.folder, await migrationNames(set.folder))
  // The library locks in the session, which behind a pooler would be somebody else's: such a connection is refused.
  return withConnection(target, SESSION, async (client) => {
    // The messages name the file that runs; the last one before a failure is the one that failed.
    const progress: string[] = []
    try {
      const done = await runner({
        ...runnerOptions(client, set, progress),
        direction: 'up',
        advisoryLockMode: 'wait',
        ...options,
      })
      return { applied: done.map((m) => m.name) }
    } catch (error) {
      throw migrationFailed(error, target, set, progress, 'all pending migrations were rolled back')
    }
  })
}

/** Names of the migrations that `migrate` would apply; changes nothing. */
export async function pendingMigrations(target: PostgresTarget, set: MigrationSet): Promise<readonly string[]> {
  return (await readMigrations(target, set)).pending
}

/** @throws SluiceError SLU-2001 to SLU-2004 */
export async function readMigrations(target: PostgresTarget, set: MigrationSet): Promise<MigrationState> {
  return withConnection(target, SESSION, (client) => readState(client, set))
}

/**
 * Undoes the migration that was applied last, if it is the named one, in one transaction.
 *
 * @throws SluiceError SLU-5031 if another one was applied last, or it has no down section or one that ends the transaction; SLU-5030 if that failed, which leaves
 *   everything as it was; SLU-2001 to SLU-2004
 */
export async function undoMigration(target: PostgresTarget, set: MigrationSet, name: string): Promise<void> {
  await withConnection(target, SESSION, async (client) => {
    // Held by this session instead of the library's own, so that nobody applies another one between the look and the act.
    await client.query('SELECT pg_advisory_lock($1)', [PG_MIGRATE_LOCK_ID])
    const last = (await readState(client, set)).applied.at(-1)?.name
    if (last !== name) {
      throw new SluiceError('MIGRATION_FILE_INVALID', {
        what: `migration ${name} of ${target.name} (${target.display}) is not undone`,
        why: last === undefined ? 'none is applied' : `${last} was applied last, and they are undone in reverse order`,
        ways: [`sluice migrate status ${target.name}`],
      })
    }
    await readDown(set, name)
    // It may have been changed since it was applied.
    await assertMigrationFiles(set.folder, [name])
    const progress: string[] = []
    try {
      await runner({ ...runnerOptions(client, set, progress), direction: 'down', count: 1, file: name, noLock: true })
    } catch (error) {
      throw migrationFailed(error, target, set, progress, 'nothing was undone')
    }
  })
}

/** SQL of the down section of a file. @throws SluiceError SLU-5031 if there is none */
export async function readDown(set: MigrationSet, name: string): Promise<string> {
  const path = `${fileURLToPath(set.folder)}${name}.sql`
  const names = await migrationNames(set.folder)
  const down = names.includes(name) ? (await readMigrationFile(set.folder, name)).down : null
  if (down !== null) return down
  throw new SluiceError('MIGRATION_FILE_INVALID', {
    what: `migration ${name} can not be undone`,
    why: names.includes(name) ? `${path} has no section "-- Down Migration"` : `${path} does not exist`,
    ways: [names.includes(name) ? `write the section into ${path}` : `restore ${path}`],
  })
}

function runnerOptions(dbClient: pg.Client, set: MigrationSet, progress: string[]) {
  const keep = (message: string): void => {
    progress.push(message)
  }
  return {
    dbClient,
    dir: fileURLToPath(set.folder),
    migrationsTable: set.table,
    singleTransaction: true,
    checkOrder: true,
    logger: { debug: keep, info: keep, warn: keep, error: () => undefined },
  }
}

async function readState(client: pg.ClientBase, set: MigrationSet): Promise<MigrationState> {
  const files = await migrationNames(set.folder)
  const table = `public.${quoteIdentifier(set.table)}`
  const exists = await client.query<{ found: string | null }>('SELECT to_regclass($1)::text AS found', [table])
  if (!exists.rows[0]?.found) return { applied: [], pending: files, missing: [] }
  // The library writes now() into a column without time zone, in a session in UTC.
  const { rows } = await client.query<{ name: string; appliedAt: Date }>(
    `SELECT name, run_on AT TIME ZONE 'UTC' AS "appliedAt" FROM ${table} m ORDER BY m.run_on, m.id`,
  )
  const applied = new Set(rows.map((row) => row.name))
  return {
    applied: rows,
    pending: files.filter((file) => !applied.has(file)),
    missing: rows.map((row) => row.name).filter((name) => !files.includes(name)),
  }
}

function migrationFailed(
  error: unknown,
  target: PostgresTarget,
  set: MigrationSet,
  progress: readonly string[],
  left: string,
): SluiceError {
  if (isSluiceError(error)) return error
  if (isConnectionFault(error)) return toPostgresError(error, target)
  const running = progress.findLast((line) => line.startsWith('### MIGRATION'))
  return new SluiceError('MIGRATION_FAILED', {
    what: `a migration of ${target.name} (${target.display}) failed${running ? `: ${running.replaceAll(/^### MIGRATION | ?\((?:UP|DOWN)\) ?###$/g, '')}` : ''}`,
    why: `${reason(error)}; ${left}`,
    ways: [`correct the file in ${fileURLToPath(set.folder)}, then: sluice provision`],
    cause: error,
  })
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
