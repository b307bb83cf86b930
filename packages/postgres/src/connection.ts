/** Connections and pools with the session settings that Sluice relies on. */
import pg from 'pg'
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

const SESSION_OPTIONS = SESSION_SETTINGS.map(([name, value]) => `-c ${name}=${value.replaceAll(' ', '\\ ')}`).join(' ')

const CONNECT_TIMEOUT_MS = 10_000

export interface ConnectOptions {
  readonly applicationName: string
  /** @default none: the caller bounds what it runs */
  readonly statementTimeoutMs?: number
  /** How long an answer is awaited: where a network drops packets, no server says that it was too late. @default for ever */
  readonly answerTimeoutMs?: number
}

/**
 * Opens one connection. The caller ends it.
 *
 * @throws SluiceError SLU-2001, SLU-2002 or SLU-2003
 */
export async function connect(target: PostgresTarget, options: ConnectOptions): Promise<pg.Client> {
  const client = new pg.Client(sessionConfig(target, options))
  // A connection that breaks between two queries emits an error; the next query on it rejects and says so.
  client.on('error', () => undefined)
  try {
    await client.connect()
    return client
  } catch (error) {
    throw toPostgresError(error, target)
  }
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
