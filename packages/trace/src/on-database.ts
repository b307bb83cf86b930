/** One connection for a few bounded queries. */
import { SluiceError } from '@sluice/core'
import { type PostgresTarget, connect, sqlStateOf, toPostgresError } from '@sluice/postgres'
import type { Client } from 'pg'

/** No question of status or trace may load a server for longer. */
const STATEMENT_TIMEOUT_MS = 10_000

/** @throws SluiceError SLU-2001 to SLU-2004; SLU-3001 or SLU-5001 if the database lacks Sluice's tables */
export async function onDatabase<T>(target: PostgresTarget, work: (client: Client) => Promise<T>): Promise<T> {
  const client = await connect(target, {
    applicationName: 'sluice status',
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    answerTimeoutMs: STATEMENT_TIMEOUT_MS,
    mayBePooled: true,
  })
  try {
    return await work(client)
  } catch (error) {
    if (sqlStateOf(error) === '42P01') throw notProvisioned(target, error)
    throw toPostgresError(error, target)
  } finally {
    await client.end()
  }
}

function notProvisioned(target: PostgresTarget, cause: unknown): SluiceError {
  return new SluiceError(target.name === 'pipeline' ? 'STORE_NOT_PROVISIONED' : 'SERVICE_NOT_PROVISIONED', {
    what: `the database of ${target.name} is not prepared`,
    why: `${target.display} lacks Sluice's tables (SQLSTATE 42P01)`,
    ways: ['sluice provision'],
    cause,
  })
}
