/** The lanes of the pipeline database: made once, moved by their appender only. */
import { randomUUID } from 'node:crypto'
import { type Lsn, type Uuid, SluiceError, formatLsn, laneId, parseUuid } from '@sluice/core'
import type { ClientBase } from 'pg'
import { chainStart } from './chain.ts'
import { LANE_SELECT, type LanePhase, type LaneRecord, type LaneRow, laneRecordOf } from './lane-record.ts'
import { PARTITION_EVENTS, attachLanePartitions, createNextPartition } from './partitions.ts'

/** Serialises the making of lanes; the first key of a transaction's advisory lock. */
const LANE_CREATION_LOCK = 0x51_01

export async function findLane(client: ClientBase, systemName: string, laneName: string): Promise<LaneRecord | null> {
  const { rows } = await client.query<LaneRow>(`${LANE_SELECT} WHERE l.system_name = $1 AND l.lane_name = $2`, [
    systemName,
    laneName,
  ])
  return rows[0] ? laneRecordOf(rows[0]) : null
}

/** As `findLane`. @throws SluiceError SLU-3002 if there is no such lane. */
export async function getLane(client: ClientBase, systemName: string, laneName: string): Promise<LaneRecord> {
  const lane = await findLane(client, systemName, laneName)
  if (lane) return lane
  throw new SluiceError('LANE_UNKNOWN', {
    what: `the pipeline database has no lane "${laneName}" of system "${systemName}"`,
    why: 'its reader has not been started yet, or the URL is that of another pipeline database',
    ways: ['sluice run reader', 'sluice status'],
  })
}

/** Every lane, or those of one system, in the order they were made. */
export async function listLanes(client: ClientBase, systemName?: string): Promise<readonly LaneRecord[]> {
  const { rows } = await client.query<LaneRow>(`${LANE_SELECT} WHERE $1::text IS NULL OR l.system_name = $1 ORDER BY l.lane`, [
    systemName ?? null,
  ])
  return rows.map(laneRecordOf)
}

export interface NewLane {
  readonly systemName: string
  readonly laneName: string
  readonly sourceName: string
  readonly systemIdentifier: string
  readonly databaseName: string
  readonly slotName: string
  readonly publicationName: string
  readonly timeline: number
  readonly phase: LanePhase
  /** Where the slot begins; `LSN_ZERO` while the phase is `creating`. */
  readonly storedLsn: Lsn
  readonly outboxTopic: string | null
  /** @default 5,000,000 */
  readonly partitionEvents?: number
}

/**
 * Makes a lane with a random epoch, its source if that is new, and its first two partitions. The caller's transaction
 * must be open: the lane is there when that commits.
 *
 * @throws SluiceError SLU-3003 if the lane exists; SLU-2030 if the source is known as another server or database.
 */
export async function createLane(client: ClientBase, lane: NewLane): Promise<LaneRecord> {
  await client.query('SELECT pg_advisory_xact_lock($1, 0)', [LANE_CREATION_LOCK])
  if (await findLane(client, lane.systemName, lane.laneName)) throw laneExists(lane)
  await ensureSource(client, lane)
  const epoch = parseUuid(randomUUID())
  const { rows } = await client.query<{ lane: number }>(
    `INSERT INTO lanes (lane, system_name, lane_name, source_name, epoch, slot_name, publication_name, timeline, phase,
       head, stored_lsn, outbox_topic)
     SELECT coalesce(max(l.lane), 0) + 1, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10::pg_lsn, $11 FROM lanes l
     RETURNING lane::int AS lane`,
    [
      lane.systemName,
      lane.laneName,
      lane.sourceName,
      epoch,
      lane.slotName,
      lane.publicationName,
      lane.timeline,
      lane.phase,
      chainStart(epoch),
      formatLsn(lane.storedLsn),
      lane.outboxTopic,
    ],
  )
  const number = laneId(rows[0]!.lane)
  await attachLanePartitions(client, number)
  const size = lane.partitionEvents ?? PARTITION_EVENTS
  await createNextPartition(client, number, size)
  await createNextPartition(client, number, size)
  return getLane(client, lane.systemName, lane.laneName)
}

async function ensureSource(client: ClientBase, lane: NewLane): Promise<void> {
  await client.query(
    `INSERT INTO sources (source_name, system_name, epoch, system_identifier, database_name) VALUES ($1, $2, $3, $4, $5)
     ON CONFLICT (system_name, source_name) DO NOTHING`,
    [lane.sourceName, lane.systemName, randomUUID() satisfies string as Uuid, lane.systemIdentifier, lane.databaseName],
  )
  const { rows } = await client.query<{ system_identifier: string; database_name: string }>(
    'SELECT system_identifier, database_name FROM sources WHERE system_name = $1 AND source_name = $2',
    [lane.systemName, lane.sourceName],
  )
  const known = rows[0]!
  if (known.system_identifier === lane.systemIdentifier && known.database_name === lane.databaseName) return
  throw new SluiceError('SOURCE_CHANGED', {
    what: `source "${lane.sourceName}" of system "${lane.systemName}" is another database than the store knows`,
    why:
      `the store has system identifier ${known.system_identifier}, database "${known.database_name}"; ` +
      `the server says ${lane.systemIdentifier}, "${lane.databaseName}"`,
    ways: ['point the URL of the source at the database it was created with', 'or use a new, empty pipeline database'],
  })
}

function laneExists(lane: NewLane): SluiceError {
  return new SluiceError('LANE_TAKEN', {
    what: `lane "${lane.laneName}" of system "${lane.systemName}" exists already`,
    why: 'another reader created it',
    ways: ['sluice status    shows the lane and its reader'],
  })
}

export interface PhaseChange {
  readonly phase: LanePhase
  /** Where the slot begins: allowed only while the lane is `creating` and holds nothing. */
  readonly start?: { readonly storedLsn: Lsn; readonly timeline: number }
}

/**
 * Moves a lane to another phase. Run it in the appender's `transact` where one is open; setting the start is for before.
 *
 * @throws SluiceError SLU-3003 if the lane is gone, or a start is set on a lane that already has one.
 */
export async function setPhase(
  client: ClientBase,
  lane: Pick<LaneRecord, 'lane' | 'laneName'>,
  change: PhaseChange,
): Promise<void> {
  const { start } = change
  const { rowCount } = start
    ? await client.query(
        `UPDATE lanes SET phase = $2, stored_lsn = $3::pg_lsn, timeline = $4, updated_at = now()
         WHERE lane = $1 AND phase = 'creating' AND position = 0`,
        [lane.lane, change.phase, formatLsn(start.storedLsn), start.timeline],
      )
    : await client.query('UPDATE lanes SET phase = $2, updated_at = now() WHERE lane = $1', [lane.lane, change.phase])
  if (rowCount === 1) return
  throw new SluiceError('LANE_TAKEN', {
    what: `lane "${lane.laneName}" can not begin at another place`,
    why: 'it is no longer being created, or has events already',
    ways: ['sluice status    shows the lane and its reader'],
  })
}

/** The source was promoted, and it was proven that the lane's place is on the path to its timeline: the epoch stays. */
export async function setTimeline(client: ClientBase, lane: Pick<LaneRecord, 'lane'>, timeline: number): Promise<void> {
  await client.query('UPDATE lanes SET timeline = $2, updated_at = now() WHERE lane = $1', [lane.lane, timeline])
}
