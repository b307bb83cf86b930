/**
 * Marks of a backfill in the source's WAL: logical messages, which need no table and no right to write.
 *
 * They are not transactional: such a message stands in the stream where it stands in the WAL, between the commits around it, and
 * takes no transaction that synchronous replication could hold.
 *
 * https://www.postgresql.org/docs/17/functions-admin.html#FUNCTIONS-REPLICATION
 */
import { BACKFILL_PREFIX } from '@sluice/core'
import type { ClientBase } from 'pg'

/** `flush` came with 17; before, the WAL writer flushes within `wal_writer_delay`, and the mark arrives so much later. */
const FLUSH_SINCE = 170_000

export type EmitMark = (mark: string) => Promise<void>

/** @param client To the source, with nothing on its search path. */
export async function markEmitter(client: ClientBase): Promise<EmitMark> {
  const { rows } = await client.query<{ version: number }>(`SELECT current_setting('server_version_num')::int AS version`)
  const flush = rows[0]!.version >= FLUSH_SINCE ? ', true' : ''
  return async (mark) => {
    await client.query(`SELECT pg_logical_emit_message(false, $1, $2::text${flush})`, [BACKFILL_PREFIX, mark])
  }
}
