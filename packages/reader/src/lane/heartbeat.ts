/**
 * Moves the WAL of a source in which nothing captured happens, so that the slot's confirmed LSN follows and PostgreSQL can
 * remove old WAL. The message is not transactional and carries nothing.
 *
 * https://www.postgresql.org/docs/17/functions-admin.html#FUNCTIONS-REPLICATION
 */
import { HEARTBEAT_PREFIX } from '@sluice/core'
import { type PostgresTarget, toPostgresError } from '@sluice/postgres'
import type { ClientBase } from 'pg'

export async function emitHeartbeat(client: ClientBase): Promise<void> {
  await client.query(`SELECT CASE WHEN NOT pg_is_in_recovery() THEN pg_logical_emit_message(false, $1, ''::text) END`, [
    HEARTBEAT_PREFIX,
  ])
}

/**
 * Beats until the returned function is called; never two at a time. A standby can't write, its primary does.
 *
 * @param onFailed Called once; the heart stands still then.
 */
export function startHeartbeat(
  client: ClientBase,
  target: PostgresTarget,
  intervalMs: number,
  onFailed: (error: Error) => void,
): () => void {
  let isBeating = false
  const timer = setInterval(() => {
    if (isBeating) return
    isBeating = true
    emitHeartbeat(client).then(
      () => {
        isBeating = false
      },
      (error: unknown) => {
        clearInterval(timer)
        onFailed(toPostgresError(error, target))
      },
    )
  }, intervalMs)
  return () => {
    clearInterval(timer)
  }
}
