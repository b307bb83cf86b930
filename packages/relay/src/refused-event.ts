/** An event that can not be published, because it does not fit its schema or Kafka refuses its size, and where it stands. */
import type { PositionNumber, SluiceError } from '@sluice/core'

export class RefusedEvent extends Error {
  readonly position: PositionNumber
  readonly reason: SluiceError

  constructor(position: PositionNumber, reason: SluiceError) {
    super(reason.message, { cause: reason })
    this.position = position
    this.reason = reason
  }
}
