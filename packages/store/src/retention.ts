/**
 * Old events go by dropping partitions, never by a long delete.
 *
 * A drop closes a stretch of the chain with its last link: `event_retention` keeps the number, last position and hash of
 * the link in which the last dropped event lies, written before anything is dropped. `verifyChain` begins after it. Where
 * that link reaches into the next partition, its remaining events are covered by no hash until the next drop takes them.
 *
 * Killed between two steps: the partition is marked and the next call ends the work. DETACH … CONCURRENTLY waits for those
 * who use the partition without holding up others; after a kill it is finished by DETACH … FINALIZE.
 * https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DETACH-PARTITION
 */
import { type LaneId, type PositionNumber, SluiceError, positionNumber } from '@sluice/core'
import { type PostgresTarget, connect, toPostgresError } from '@sluice/postgres'
import type { ClientBase } from 'pg'
import { PARTITIONED_TABLES, laneTable, leafTable, lockPartitions } from './partitions.ts'

export interface DroppedEvents {
  /** Every event up to here is gone; 0 if none ever was dropped. */
  readonly droppedThrough: PositionNumber
  /** Partitions that this call removed, by their first and last positions. */
  readonly partitions: readonly { readonly first: PositionNumber; readonly last: PositionNumber }[]
}

/** Rows of the processing log that are deleted at a time. */
const LOG_ROWS = 10_000
/** Claims that are deleted at a time; each may be tens of megabytes. */
const CLAIM_ROWS = 20

/**
 * Drops whole partitions of a lane whose events all lie below `below` and are published: what is parked at the relay is kept, with
 * all that came after it. Their claims go with them, once no topic holds the messages any more.
 *
 * @throws SluiceError SLU-3103 if the link that closes the stretch is missing: then nothing is dropped.
 */
export async function dropEventsBelow(target: PostgresTarget, lane: LaneId, below: PositionNumber): Promise<DroppedEvents> {
  const client = await connect(target, { applicationName: 'sluice retention' })
  try {
    await markPartitions(client, lane, below)
    const marked = await client.query<{ first: string; last: string }>(
      `SELECT first_position::text AS first, last_position::text AS last FROM event_partitions
       WHERE lane = $1 AND drop_begun_at IS NOT NULL ORDER BY first_position`,
      [lane],
    )
    const partitions = marked.rows.map((row) => ({ first: positionNumber(row.first), last: positionNumber(row.last) }))
    for (const { first } of partitions) await dropPartition(client, lane, first)
    const droppedThrough = await retainedAfter(client, lane)
    await trimProcessingLog(client, lane, droppedThrough)
    await dropClaims(client, lane, droppedThrough)
    await dropUnusableSnapshots(client, lane, droppedThrough)
    return { droppedThrough, partitions }
  } catch (error) {
    throw toPostgresError(error, target)
  } finally {
    await client.end()
  }
}

/** The last position that retention removed; 0 if it removed none. */
export async function retainedAfter(client: ClientBase, lane: LaneId): Promise<PositionNumber> {
  const { rows } = await client.query<{ through: string }>(
    'SELECT coalesce(max(dropped_through), 0)::text AS through FROM event_retention WHERE lane = $1',
    [lane],
  )
  return positionNumber(rows[0]!.through)
}

/** Journal before the act: the partitions and the link that closes their stretch. */
async function markPartitions(client: ClientBase, lane: LaneId, below: PositionNumber): Promise<void> {
  await client.query('BEGIN')
  await lockPartitions(client, lane)
  const marked = await client.query<{ last: string }>(
    `UPDATE event_partitions SET drop_begun_at = now()
     WHERE lane = $1 AND drop_begun_at IS NULL AND last_position < $2
       AND last_position <= (SELECT position FROM relay_progress WHERE lane = $1)
       AND NOT EXISTS (SELECT FROM relay_parked_events k WHERE k.lane = $1 AND k.position <= event_partitions.last_position)
     RETURNING last_position::text AS last`,
    [lane, String(below)],
  )
  if (marked.rows.length > 0) {
    const through = marked.rows.map((row) => BigInt(row.last)).reduce((a, b) => (a > b ? a : b))
    const closed = await client.query(
      `INSERT INTO event_retention (lane, dropped_through, link, last_position, hash)
       SELECT $1, $2, link, last_position, hash FROM event_commits WHERE lane = $1 AND last_position >= $2
       ORDER BY last_position LIMIT 1`,
      [lane, String(through)],
    )
    if (closed.rowCount !== 1) {
      await client.query('ROLLBACK')
      throw closingLinkMissing(lane, through)
    }
  }
  await client.query('COMMIT')
}

async function dropPartition(client: ClientBase, lane: LaneId, first: PositionNumber): Promise<void> {
  for (const table of PARTITIONED_TABLES) {
    const leaf = leafTable(table, lane, first)
    const { rows } = await client.query<{ exists: boolean; pending: boolean | null }>(
      `SELECT to_regclass($1) IS NOT NULL AS exists,
         (SELECT i.inhdetachpending FROM pg_inherits i WHERE i.inhrelid = to_regclass($1)) AS pending`,
      [leaf],
    )
    const { exists, pending } = rows[0]!
    if (!exists) continue
    if (pending === true) await client.query(`ALTER TABLE ${laneTable(table, lane)} DETACH PARTITION ${leaf} FINALIZE`)
    if (pending === false) await client.query(`ALTER TABLE ${laneTable(table, lane)} DETACH PARTITION ${leaf} CONCURRENTLY`)
    await client.query(`DROP TABLE ${leaf}`)
  }
  await client.query('DELETE FROM event_partitions WHERE lane = $1 AND first_position = $2', [lane, String(first)])
}

async function trimProcessingLog(client: ClientBase, lane: LaneId, through: PositionNumber): Promise<void> {
  for (;;) {
    const { rowCount } = await client.query(
      `DELETE FROM processing_batches WHERE id IN (
         SELECT id FROM processing_batches WHERE lane = $1 AND last_position <= $2 LIMIT ${LOG_ROWS})`,
      [lane, String(through)],
    )
    if ((rowCount ?? 0) < LOG_ROWS) return
  }
}

/** Claims outlive their events for as long as a topic may hold the message: who is behind, or reads it again, finds the value. */
async function dropClaims(client: ClientBase, lane: LaneId, through: PositionNumber): Promise<void> {
  for (;;) {
    const { rowCount } = await client.query(
      `DELETE FROM claims WHERE claim_id IN (
         SELECT claim_id FROM claims WHERE lane = $1 AND position <= $2 AND kept_until < now() LIMIT ${CLAIM_ROWS})`,
      [lane, String(through)],
    )
    if ((rowCount ?? 0) < CLAIM_ROWS) return
  }
}

/** An aggregate snapshot that is older than what was dropped is of use only where nothing came after it; nothing else would remove it. */
async function dropUnusableSnapshots(client: ClientBase, lane: LaneId, through: PositionNumber): Promise<void> {
  await client.query(
    `DELETE FROM event_snapshots s WHERE s.lane = $1 AND s.position < $2 AND NOT EXISTS (
       SELECT FROM aggregate_heads h WHERE h.aggregate_id = s.aggregate_id AND h.aggregate_type = s.aggregate_type
         AND h.event_version = s.snapshot_version AND h.image_position <= s.position)`,
    [lane, String(through)],
  )
}

function closingLinkMissing(lane: LaneId, through: bigint): SluiceError {
  return new SluiceError('STORE_EVENT_MISSING', {
    what: `the old events of lane ${lane} were not dropped`,
    why: `no link of the chain reaches position ${through}, so the stretch could not be closed`,
    ways: ['sluice verify --chain    finds the first link that is missing'],
  })
}
