/** A lane as the store knows it: one row of `lanes` with its source. */
import { type LaneId, type Lsn, type PositionNumber, type Uuid, laneId, parseLsn, parseUuid, positionNumber } from '@sluice/core'

/**
 * `creating`: the row stands, the slot is not certain. `loading`: the slot stands, the initial load is not complete.
 * `streaming`: every row was loaded.
 */
export const LANE_PHASES = ['creating', 'loading', 'streaming'] as const
export type LanePhase = (typeof LANE_PHASES)[number]

export interface LaneRecord {
  readonly lane: LaneId
  readonly systemName: string
  readonly laneName: string
  readonly sourceName: string
  /** Shared by the lanes of one source. */
  readonly sourceEpoch: Uuid
  /** `pg_control_system().system_identifier` of the source. */
  readonly systemIdentifier: string
  readonly databaseName: string
  /** Namespace of the lane's event ids. */
  readonly epoch: Uuid
  readonly slotName: string
  readonly publicationName: string
  readonly timeline: number
  readonly phase: LanePhase
  /** Position of the lane's last event. */
  readonly position: PositionNumber
  /** Number of the chain's last link, and its hash. */
  readonly link: bigint
  readonly head: Buffer
  /** End of the last stored commit. */
  readonly storedLsn: Lsn
  /** A later place at which nothing was pending. */
  readonly keepaliveLsn: Lsn | null
  readonly outboxTopic: string | null
}

/** What may be acknowledged to the lane's slot: the later of stored and keepalive LSN. */
export function durableLsnOf(lane: Pick<LaneRecord, 'storedLsn' | 'keepaliveLsn'>): Lsn {
  return lane.keepaliveLsn !== null && lane.keepaliveLsn > lane.storedLsn ? lane.keepaliveLsn : lane.storedLsn
}

/** SELECT list over `lanes l JOIN sources s`, for `laneRecordOf`. */
export const LANE_SELECT = `
  SELECT l.lane::int AS lane, l.system_name, l.lane_name, l.source_name, s.epoch AS source_epoch, s.system_identifier,
    s.database_name, l.epoch, l.slot_name, l.publication_name, l.timeline, l.phase, l.position::text AS position,
    l.link::text AS link, l.head, l.stored_lsn::text AS stored_lsn, l.keepalive_lsn::text AS keepalive_lsn, l.outbox_topic
  FROM lanes l JOIN sources s ON s.system_name = l.system_name AND s.source_name = l.source_name`

export interface LaneRow {
  readonly lane: number
  readonly system_name: string
  readonly lane_name: string
  readonly source_name: string
  readonly source_epoch: string
  readonly system_identifier: string
  readonly database_name: string
  readonly epoch: string
  readonly slot_name: string
  readonly publication_name: string
  readonly timeline: number
  readonly phase: LanePhase
  readonly position: string
  readonly link: string
  readonly head: Buffer
  readonly stored_lsn: string
  readonly keepalive_lsn: string | null
  readonly outbox_topic: string | null
}

export function laneRecordOf(row: LaneRow): LaneRecord {
  return {
    lane: laneId(row.lane),
    systemName: row.system_name,
    laneName: row.lane_name,
    sourceName: row.source_name,
    sourceEpoch: parseUuid(row.source_epoch),
    systemIdentifier: row.system_identifier,
    databaseName: row.database_name,
    epoch: parseUuid(row.epoch),
    slotName: row.slot_name,
    publicationName: row.publication_name,
    timeline: row.timeline,
    phase: row.phase,
    position: positionNumber(row.position),
    link: BigInt(row.link),
    head: row.head,
    storedLsn: parseLsn(row.stored_lsn),
    keepaliveLsn: row.keepalive_lsn === null ? null : parseLsn(row.keepalive_lsn),
    outboxTopic: row.outbox_topic,
  }
}
