/** What a projector tells while it runs: the source of metrics, and what tests wait for. */
import type { LaneId, PositionNumber, SluiceError } from '@sluice/core'

/** What one transaction did. */
export interface AppliedBatch {
  readonly lane: LaneId
  readonly laneName: string
  /** Everything of the lane up to here is applied, or listed as parked. */
  readonly through: PositionNumber
  /** Events that took effect. */
  readonly applied: number
  /** Events met again. */
  readonly duplicates: number
  /** Events parked by this transaction. */
  readonly parked: number
  /** Events of tables that no projection of the service uses. */
  readonly skipped: number
  readonly bytes: number
  readonly durationMs: number
  /** Commit time of the newest event in the source, microseconds since 1970; null if there was none. */
  readonly committedAtMicros: bigint | null
}

export type ProjectorProgress =
  | { readonly kind: 'standby' }
  | { readonly kind: 'active'; readonly partitions: number }
  | ({ readonly kind: 'applied' } & AppliedBatch)
  | { readonly kind: 'parked'; readonly eventId: string; readonly projection: string; readonly sqlState: string | null }
  /** A barrier holds the lane at this position. */
  | { readonly kind: 'standing'; readonly lane: number; readonly at: PositionNumber }
  /** Too many events are refused: nothing more of the lane is applied until the same transaction is tried again. */
  | { readonly kind: 'lane-stopped'; readonly laneName: string; readonly error: SluiceError; readonly retryInMs: number }
  /** The lane that stood still goes on. */
  | { readonly kind: 'lane-resumed'; readonly laneName: string }
  | { readonly kind: 'buffered'; readonly bytes: number }
  /** The service database did not take a transaction for a reason that may pass. */
  | { readonly kind: 'retrying'; readonly attempt: number; readonly error: Error }

export type OnProjectorProgress = (progress: ProjectorProgress) => void
