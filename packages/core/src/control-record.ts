/**
 * Promise 5: the record that the relay writes to its lane's control topic in every Kafka transaction. It is the truth
 * about what was published: a restarted relay goes on from it, and a consumer of an idle partition proves with it how
 * far it is. The record's key is the lane's name; the newest record of a key outlives compaction.
 */
import type { Uuid } from './change-identity.ts'
import { SluiceError } from './errors.ts'
import { type LaneId, type PositionNumber, laneId, positionNumber } from './position.ts'
import { type Offset, offsetOf } from './offset.ts'

/** How far one partition of the lane's topics is. */
export interface PartitionEnd {
  readonly topic: string
  readonly partition: number
  /** Offset after the lane's last event there: a consumer whose next offset is this or more has met them all. */
  readonly end: Offset
  /**
   * Events of the lane published to this partition since its epoch began: a consumer compares its own count. A truncate is in every
   * partition of its topic and counts in each, so the partitions' sum is not the lane's number of events.
   */
  readonly events: bigint
}

export interface ControlRecord {
  readonly lane: LaneId
  readonly laneName: string
  readonly epoch: Uuid
  /** Every event up to this position is in the topics, or parked at the relay. */
  readonly position: PositionNumber
  /** Position of the record before this one. Less than the last one read where compaction removed records between. */
  readonly previous: PositionNumber
  /** True if `position` ends a commit of the source; false inside one that is larger than a Kafka transaction may be. */
  readonly commitEnd: boolean
  /** Number and hash of the last closed link of the chain at or below `position`. */
  readonly link: bigint
  readonly head: string
  /** All partitions of the lane that ever got an event. */
  readonly partitions: readonly PartitionEnd[]
  /**
   * Events at or below `previous` that this transaction published: they had been parked. In the counts of `partitions` they are from
   * here on.
   */
  readonly late?: readonly PositionNumber[]
  /** Kafka's own cluster id, so that a store never meets another cluster's topics unawares. */
  readonly clusterId: string
}

/** JSON text; 64-bit numbers as strings. */
export function formatControlRecord(record: ControlRecord): string {
  return JSON.stringify(record, (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value))
}

/** @throws SluiceError SLU-4103 if the record can't be read. */
export function parseControlRecord(text: string): ControlRecord {
  try {
    const raw = JSON.parse(text) as Record<string, unknown>
    const partitions = raw['partitions']
    const late = raw['late'] ?? []
    if (!Array.isArray(partitions) || !Array.isArray(late)) throw new TypeError('partitions or late is not a list')
    return {
      lane: laneId(Number(raw['lane'])),
      laneName: textOf(raw, 'laneName'),
      epoch: textOf(raw, 'epoch') as Uuid,
      position: positionNumber(textOf(raw, 'position')),
      previous: positionNumber(textOf(raw, 'previous')),
      commitEnd: raw['commitEnd'] === true,
      link: BigInt(textOf(raw, 'link')),
      head: textOf(raw, 'head'),
      clusterId: textOf(raw, 'clusterId'),
      partitions: partitions.map((p: Record<string, unknown>) => ({
        topic: textOf(p, 'topic'),
        partition: Number(p['partition']),
        end: offsetOf(textOf(p, 'end')),
        events: BigInt(textOf(p, 'events')),
      })),
      ...(late.length === 0 ? {} : { late: late.map((position) => positionNumber(String(position))) }),
    }
  } catch (cause) {
    throw new SluiceError('CONTROL_RECORD_INVALID', {
      what: 'a record of the control topic can not be read',
      why: cause instanceof Error ? cause.message : String(cause),
      ways: ['only the relay may write to the control topic: see who else can, and restore the topic from a copy'],
      cause,
    })
  }
}

function textOf(raw: Record<string, unknown>, field: string): string {
  const value = raw[field]
  if (typeof value !== 'string') throw new TypeError(`${field} is not a text`)
  return value
}
