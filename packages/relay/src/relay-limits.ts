/** Bounds of the relay. */
export interface RelayLimits {
  /** Events of a Kafka transaction. A commit of the source with more is split into smaller pieces; one with fewer never is. @default 10000 */
  readonly transactionEventsMax: number
  /**
   * Stored bytes that are read, encoded and sent at a time; a transaction ends at about this size, unless a commit that may not be
   * split is larger. Two of these are held: one is sent while the next is read. @default 3 MiB
   */
  readonly chunkBytesMax: number
  /**
   * Bytes of a message, where that is less than the topic's `max.message.bytes`: of a larger event the largest values are left in the
   * pipeline database, and the message carries claims for them. @default Infinity: the topic's own bound
   */
  readonly messageBytesMax: number
  /**
   * Events that may be parked, with those that queue behind them, about 800 bytes of memory each; at the next one that is refused the
   * relay stops. A topic that is held alone takes a line for each of its events. @default 50000
   */
  readonly parkedMax: number
}

export const DEFAULT_RELAY_LIMITS: RelayLimits = {
  transactionEventsMax: 10_000,
  chunkBytesMax: 3 * 1024 * 1024,
  messageBytesMax: Infinity,
  parkedMax: 50_000,
}
