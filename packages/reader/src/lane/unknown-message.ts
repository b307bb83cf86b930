/** Messages of an unknown kind: what of them may be stored and told. */
import { type Lsn, formatLsn } from '@sluice/core'
import type { UnknownMessageRecord } from '@sluice/store'
import type { LaneDefinition } from '@sluice/system'
import type { LaneSession } from './lane-session.ts'

/** Its contents can not be told apart, so nothing in it can be masked. */
export function hasPrivateColumns(lane: LaneDefinition): boolean {
  return lane.tables.some((table) => Object.keys(table.privacy).length > 0)
}

/** Tells where a message is parked, its kind and size, and nothing of its contents. */
export function tellParked({ logger, onProgress }: LaneSession): (message: UnknownMessageRecord, lsn: Lsn) => void {
  return ({ kind, bytes }, lsn) => {
    const letter = String.fromCharCode(kind)
    logger.warn(
      { letter, bytes, lsn: formatLsn(lsn) },
      'a replication message of an unknown kind is parked in parked_messages and takes no effect',
    )
    onProgress({ kind: 'message-parked', letter, bytes, lsn })
  }
}
