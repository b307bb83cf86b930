/**
 * The mark on databases that Sluice's demo, tests and benchmarks made, and may therefore fill and drop: a comment on
 * the database. What has no mark is refused, so that a stray URL never writes to a database that somebody needs.
 */
import { randomBytes } from 'node:crypto'
import { SluiceError, quoteIdentifier, quoteLiteral } from '@sluice/core'
import pg from 'pg'

const MARK_PREFIX = 'sluice: made by '

export interface TestDatabase {
  readonly name: string
  readonly url: string
  /** Ends sessions, drops replication slots of the database, drops the database. May be called again. */
  drop(): Promise<void>
}

/**
 * Creates a marked database with a name of its own.
 *
 * @param serverUrl any database of the server, with a role that may create databases
 * @param label says who made it: `reader test`, `demo`
 */
export async function createTestDatabase(serverUrl: string, label: string): Promise<TestDatabase> {
  const name = `sluice_${label
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .slice(0, 30)}_${randomBytes(5).toString('hex')}`
  await withClient(serverUrl, async (client) => {
    await client.query(`CREATE DATABASE ${quoteIdentifier(name)} TEMPLATE template0`)
    await markDatabase(client, name, label)
  })
  return { name, url: databaseUrl(serverUrl, name), drop: () => dropMarkedDatabase(serverUrl, name) }
}

/** Marks a database that the caller has just created. */
export async function markDatabase(client: pg.ClientBase, name: string, label: string): Promise<void> {
  await client.query(`COMMENT ON DATABASE ${quoteIdentifier(name)} IS ${quoteLiteral(MARK_PREFIX + label)}`)
}

/**
 * @param url of the database itself
 * @throws SluiceError SLU-7005 when the database has no mark
 */
export async function assertMarked(url: string): Promise<void> {
  await withClient(url, async (client) => {
    const { rows } = await client.query<{ name: string; comment: string | null }>(
      `SELECT datname AS name, shobj_description(oid, 'pg_database') AS comment FROM pg_database WHERE datname = current_database()`,
    )
    const { name, comment } = rows[0]!
    if (!isMark(comment)) throw unmarked(name, comment)
  })
}

/**
 * Drops a marked database, its slots and sessions; nothing happens where it is gone.
 *
 * @throws SluiceError SLU-7005 when the database has no mark
 */
export async function dropMarkedDatabase(serverUrl: string, name: string): Promise<void> {
  await withClient(serverUrl, async (client) => {
    const { rows } = await client.query<{ comment: string | null }>(
      `SELECT shobj_description(oid, 'pg_database') AS comment FROM pg_database WHERE datname = $1`,
      [name],
    )
    const database = rows[0]
    if (database === undefined) return
    if (!isMark(database.comment)) throw unmarked(name, database.comment)
    await dropSlots(client, name)
    await client.query(`DROP DATABASE IF EXISTS ${quoteIdentifier(name)} WITH (FORCE)`)
  })
}

/** The server's URL with another database. */
export function databaseUrl(serverUrl: string, name: string): string {
  const url = new URL(serverUrl)
  url.pathname = `/${encodeURIComponent(name)}`
  return url.toString()
}

/**
 * A slot holds its database. The function waits for the end of each session on a slot, then drops the slot.
 * https://www.postgresql.org/docs/17/functions-admin.html#FUNCTIONS-ADMIN-SIGNAL
 */
async function dropSlots(client: pg.ClientBase, database: string): Promise<void> {
  await client.query(`SELECT pg_terminate_backend(active_pid, 10000) FROM pg_replication_slots WHERE database = $1 AND active`, [
    database,
  ])
  await client.query(
    `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = $1 AND NOT temporary`,
    [database],
  )
}

function isMark(comment: string | null): boolean {
  return comment?.startsWith(MARK_PREFIX) ?? false
}

function unmarked(name: string, comment: string | null): SluiceError {
  return new SluiceError('DATABASE_UNMARKED', {
    what: `database "${name}" is not used`,
    why: comment === null ? 'it has no comment that says Sluice made it' : 'its comment does not say that Sluice made it',
    ways: [
      'unset the SLUICE_TEST_… variable that points at it, and a database is made',
      `if its contents may be destroyed: COMMENT ON DATABASE ${quoteIdentifier(name)} IS 'sluice: made by hand'`,
    ],
  })
}

async function withClient<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url, application_name: 'sluice-infra', connectionTimeoutMillis: 10_000 })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}
