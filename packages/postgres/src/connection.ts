/** Connections and pools with the session settings that Sluice relies on. */
import pg from 'pg'
import { isPooled, isRefusedByPooler, poolerInFront } from './pooler.ts'
import { toPostgresError } from './postgres-error.ts'
import type { PostgresTarget } from './target.ts'

/**
 * Settings that decide how PostgreSQL prints values. They are the same in every session, so that a value has one text
 * form on its way and `verify` can compare texts. https://www.postgresql.org/docs/current/runtime-config-client.html
 */
const SESSION_SETTINGS = [
  ['TimeZone', 'UTC'],
  ['DateStyle', 'ISO, MDY'],
  ['IntervalStyle', 'postgres'],
  ['bytea_output', 'hex'],
  ['extra_float_digits', '1'],
  ['xmloption', 'content'],
  ['lc_monetary', 'C'],
  ['client_min_messages', 'warning'],
] as const

/** The same for one transaction, right after its BEGIN: a session that a pooler lends can not be given settings. */
export const TRANSACTION_SETTINGS = SESSION_SETTINGS.map(([name, value]) => `SET LOCAL ${name} = '${value}'; `).join('')

const SESSION_OPTIONS = SESSION_SETTINGS.map(([name, value]) => `-c ${name}=${value.replaceAll(' ', '\\ ')}`).join(' ')

const CONNECT_TIMEOUT_MS = 10_000

export interface ConnectOptions {
  readonly applicationName: string
  /** @default none: the caller bounds what it runs */
  readonly statementTimeoutMs?: number
  /** How long an answer is awaited: where a network drops packets, no server says that it was too late. @default for ever */
  readonly answerTimeoutMs?: number
  /**
   * True where the caller keeps nothing in the session: no settings, locks, LISTEN or named statements. Behind a pooler the settings of
   * `TRANSACTION_SETTINGS` and the time limit of statements are not set then. @default false
   */
  readonly mayBePooled?: boolean
}

/** A connection, and whether a pooler gives each of its transactions another session. */
export interface OpenedConnection {
  readonly client: pg.Client
  readonly isPooled: boolean
}

/**
 * Opens one connection. The caller ends it.
 *
 * @throws SluiceError SLU-2001, SLU-2002, SLU-2003, or SLU-2005 if a pooler is in between and `mayBePooled` does not allow it
 */
export async function connect(target: PostgresTarget, options: ConnectOptions): Promise<pg.Client> {
  return (await openConnection(target, options)).client
}

/** `connect`, for a caller that works in another way behind a pooler. @throws as `connect` */
export async function openConnection(target: PostgresTarget, options: ConnectOptions): Promise<OpenedConnection> {
  try {
    const client = await opened(target, options)
    const pooled = await isPooled(client).catch(async (error: unknown) => {
      await client.end()
      throw error
    })
    if (!pooled || options.mayBePooled === true) return { client, isPooled: pooled }
    await client.end()
    throw poolerInFront(target, 'another process than the one that the connection was promised answers')
  } catch (error) {
    throw toPostgresError(error, target)
  }
}

async function opened(target: PostgresTarget, options: ConnectOptions): Promise<pg.Client> {
  const config = sessionConfig(target, options)
  try {
    return await begun(config)
  } catch (error) {
    if (options.mayBePooled !== true || !isRefusedByPooler(error)) throw error
    // What the URL itself asks for is not left out without a word.
    return await begun({ ...config, options: target.config.options, statement_timeout: undefined })
  }
}

async function begun(config: pg.ClientConfig): Promise<pg.Client> {
  const client = new pg.Client(config)
  // A connection that breaks between two queries emits an error; the next query on it rejects and says so.
  client.on('error', () => undefined)
  await client.connect()
  return client
}

/**
 * Runs work on a connection of its own, which is closed whatever happens.
 *
 * @throws SluiceError of `toPostgresError`, and every SluiceError of the work as it is
 */
export async function withConnection<T>(
  target: PostgresTarget,
  options: ConnectOptions,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = await connect(target, options)
  try {
    return await work(client)
  } catch (error) {
    throw toPostgresError(error, target)
  } finally {
    await client.end()
  }
}

export interface PoolOptions extends ConnectOptions {
  readonly max: number
}

/** A pool; connections are opened as they are needed. The caller ends it. */
export function createPool(target: PostgresTarget, options: PoolOptions): pg.Pool {
  const pool = new pg.Pool({ ...sessionConfig(target, options), max: options.max, idleTimeoutMillis: 30_000 })
  // An idle connection that breaks is taken out by the pool itself.
  pool.on('error', () => undefined)
  // One that breaks while somebody has it, between two queries: the next query on it rejects and says so.
  pool.on('connect', (client) => client.on('error', () => undefined))
  return pool
}

/** Client settings for a connection that a library opens (replication, migrations). */
export function sessionConfig(target: PostgresTarget, options: ConnectOptions): pg.ClientConfig {
  return {
    ...target.config,
    application_name: options.applicationName,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    keepAlive: true,
    options: [target.config.options, SESSION_OPTIONS].filter(Boolean).join(' '),
    ...(options.statementTimeoutMs === undefined ? {} : { statement_timeout: options.statementTimeoutMs }),
    ...(options.answerTimeoutMs === undefined ? {} : { query_timeout: options.answerTimeoutMs }),
  }
}

/** Runs work in one transaction: committed if it resolves, rolled back if it rejects. */
export async function inTransaction<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect()
  try {
    await client.query('BEGIN')
    const result = await work(client)
    await client.query('COMMIT')
    client.release()
    return result
  } catch (error) {
    const isUsable = await client.query('ROLLBACK').then(
      () => true,
      () => false,
    )
    client.release(!isUsable)
    throw error
  }
}
