import type { PositionNumber } from '@sluice/core'

/** What a relay tells of itself, for metrics and tests. */
export type RelayProgress =
  /** It took over its lane: everything up to the position was published before. */
  | { readonly kind: 'started'; readonly position: PositionNumber }
  /** A Kafka transaction committed. */
  | { readonly kind: 'published'; readonly events: number; readonly position: PositionNumber; readonly elapsedMs: number }
  /** Everything stored is published. */
  | { readonly kind: 'idle'; readonly position: PositionNumber }

export type OnRelayProgress = (progress: RelayProgress) => void
