/** What a relay reports of itself, for metrics and tests. */
import type { PositionNumber } from '@sluice/core'

export type RelayEvent =
  /** It is the only relay of the lane now, and goes on after this position. */
  | { readonly kind: 'started'; readonly position: PositionNumber }
  /** A Kafka transaction is committed. */
  | {
      readonly kind: 'published'
      readonly events: number
      readonly position: PositionNumber
      /** From the first read of the transaction to Kafka's commit. */
      readonly elapsedMs: number
      /** Commit time of the newest event, microseconds since 1970. */
      readonly committedAtMicros: bigint
    }
  /** An event that Kafka or its schema refuses is parked, and the later ones of its key queue behind it. */
  | { readonly kind: 'parked'; readonly position: PositionNumber; readonly code: string }
  /** An event that Kafka refuses, or one too many to park; the relay stands there. */
  | { readonly kind: 'refused'; readonly position: PositionNumber; readonly code: string }

export type OnRelayProgress = (event: RelayEvent) => void
