/**
 * A pooler like pgbouncer between here and PostgreSQL. In transaction mode it gives each transaction a session that others had before and
 * get after: settings, locks and named statements of a session are then somebody else's, without an error. So it has to be known before
 * anything is done on a connection. https://www.pgbouncer.org/features.html
 */
import { SluiceError } from '@sluice/core'
import pg from 'pg'
import type { PostgresTarget } from './target.ts'

/** SQLSTATE and text of pgbouncer for settings that it can not give a session when it begins. */
export function isRefusedByPooler(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.code === '08P01' && error.message.startsWith('unsupported startup parameter')
}

/** A pooler lets clients in while its server is away, and lets their first statement wait. */
const ANSWER_TIMEOUT_MS = 10_000

/** True if the process that answers is not the one whose id the connection was given: a pooler gives ids of its own. */
export async function isPooled(client: pg.Client): Promise<boolean> {
  const promised = 'processID' in client ? client.processID : undefined
  const ask = { text: 'SELECT pg_catalog.pg_backend_pid() AS pid', query_timeout: ANSWER_TIMEOUT_MS }
  const { rows } = await client.query<{ pid: number }>(ask)
  return rows[0]?.pid !== promised
}

/** @param why what was measured */
export function poolerInFront(target: PostgresTarget, why: string, cause?: unknown): SluiceError {
  return new SluiceError('POSTGRES_POOLED', {
    what: `a pooler stands in front of ${target.name} (${target.display}), where a session of PostgreSQL's own is needed`,
    why,
    ways: [
      `export SLUICE_${target.name.toUpperCase()}_URL='postgresql://user:password@host:5432/database'    PostgreSQL itself; only projectors and applications may go through a pooler`,
    ],
    cause,
  })
}
