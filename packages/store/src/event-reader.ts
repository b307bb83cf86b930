/** The contract of the reading side of the store; `createEventReader` makes one. */
import type { EpochMicros, LaneId, Lsn, PositionNumber, StoredEvent } from '@sluice/core'

/** A link of the chain: a commit of the source or a chunk of a load, and the positions it has. */
export interface StoredCommit {
  readonly link: bigint
  readonly kind: 'commit' | 'chunk'
  readonly first: PositionNumber
  readonly last: PositionNumber
  readonly commitLsn: Lsn
  readonly endLsn: Lsn
  readonly committedAt: EpochMicros
  /** Hex. */
  readonly hash: string
}

export interface EventLimits {
  /**
   * Bytes as stored. What is over is left out: the caller gets a first stretch of the events, at least one, and asks again
   * from its last position.
   * @default none
   */
  readonly bytesMax?: number
}

export interface EventReader {
  /** Commits that end after a position, in order, at most `limit`. */
  commitsAfter(lane: LaneId, after: PositionNumber, limit: number): Promise<readonly StoredCommit[]>
  /**
   * Events of a lane with `after < position <= through`, in order, without a gap.
   *
   * @throws SluiceError SLU-3103 if one of them is not there.
   */
  events(lane: LaneId, after: PositionNumber, through: PositionNumber, limits?: EventLimits): Promise<readonly StoredEvent[]>
  /** Last position of a commit whose commitLsn is below `lsn`; BEFORE_FIRST if there is none. */
  positionBelow(lane: LaneId, lsn: Lsn): Promise<PositionNumber>
  /** Resolves when the lane may have events after a position (NOTIFY, with a poll behind it), or the signal aborts. */
  waitForEvents(lane: LaneId, after: PositionNumber, signal: AbortSignal): Promise<void>
  close(): Promise<void>
}
