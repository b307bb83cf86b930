/** Bounds of one Kafka transaction. */
export interface RelayLimits {
  /** Events of one transaction; a commit of the source with no more than these is never split. @default 10,000 */
  readonly eventsMax: number
  /** Stored bytes of one transaction; exceeded only by a single commit that may not be split. @default 8 MiB */
  readonly bytesMax: number
  /** How long to wait for a lane that its reader has not made yet, between two looks, in milliseconds. @default 500 */
  readonly laneWaitMs: number
}

export const RELAY_LIMITS: RelayLimits = { eventsMax: 10_000, bytesMax: 8 * 1024 * 1024, laneWaitMs: 500 }
