/**
 * Messages of the replication protocol whose kind Sluice does not know: recorded, so that nothing passes in silence and the slot
 * goes on.
 */
import { type LaneId, type Lsn, formatLsn } from '@sluice/core'
import type { ClientBase } from 'pg'

export interface UnknownMessageRecord {
  /** First byte. */
  readonly kind: number
  /** Length of the whole message. */
  readonly bytes: number
  /** The whole message; null where it may hold values of private columns. */
  readonly message: Buffer | null
}

export interface ParkedMessage extends UnknownMessageRecord {
  /** The commit record of its transaction; its own place in the WAL where it stood between transactions. */
  readonly lsn: Lsn
  /** Place among the parked messages of its transaction, from 0. */
  readonly place: number
}

/**
 * Parks messages; run it in the transaction that moves the lane past them. One that is there already stays as it is: the stream
 * came to it again after a restart.
 */
export async function parkMessages(client: ClientBase, lane: LaneId, messages: readonly ParkedMessage[]): Promise<void> {
  if (messages.length === 0) return
  await client.query(
    `INSERT INTO parked_messages (lane, lsn, place, kind, bytes, message)
     SELECT $1, p.lsn, p.place, p.kind, p.bytes, p.message
     FROM unnest($2::pg_lsn[], $3::integer[], $4::smallint[], $5::integer[], $6::bytea[]) AS p (lsn, place, kind, bytes, message)
     ON CONFLICT (lane, lsn, place) DO NOTHING`,
    [
      lane,
      messages.map((m) => formatLsn(m.lsn)),
      messages.map((m) => m.place),
      messages.map((m) => m.kind),
      messages.map((m) => m.bytes),
      messages.map((m) => m.message),
    ],
  )
}

export interface ParkedMessageCount {
  readonly messages: number
  /** First bytes, as letters where they are: `~`, `\x03`. */
  readonly kinds: readonly string[]
}

/** How many messages of a lane are parked, and of which kinds. */
export async function countParkedMessages(client: ClientBase, lane: LaneId): Promise<ParkedMessageCount> {
  const { rows } = await client.query<{ kind: number; messages: number }>(
    'SELECT kind::integer, count(*)::integer AS messages FROM parked_messages WHERE lane = $1 GROUP BY kind ORDER BY kind',
    [lane],
  )
  return { messages: rows.reduce((sum, row) => sum + row.messages, 0), kinds: rows.map(({ kind }) => kindText(kind)) }
}

function kindText(kind: number): string {
  return kind > 0x20 && kind < 0x7f ? String.fromCharCode(kind) : `\\x${kind.toString(16).padStart(2, '0')}`
}
