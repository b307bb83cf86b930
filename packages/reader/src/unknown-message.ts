/** What is told of a message of an unknown kind: where it is parked, its kind and size, and nothing of its contents. */
import { type Lsn, formatLsn } from '@sluice/core'
import type { LaneSession } from './lane-session.ts'

export function tellParked({ logger, onProgress }: LaneSession): (message: Buffer, lsn: Lsn) => void {
  return (message, lsn) => {
    const letter = message.toString('latin1', 0, 1)
    logger.warn(
      { letter, bytes: message.length, lsn: formatLsn(lsn) },
      'a replication message of an unknown kind is parked in parked_messages and takes no effect',
    )
    onProgress({ kind: 'message-parked', letter, bytes: message.length, lsn })
  }
}
