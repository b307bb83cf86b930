/** Unbroken runs of events with one correlation: what `event_correlations` holds. A run ends with its batch. */
import type { PositionNumber } from '@sluice/core'

export class CorrelationRuns {
  readonly ids: string[] = []
  readonly firsts: PositionNumber[] = []
  readonly lasts: PositionNumber[] = []

  add(correlationId: string, position: PositionNumber): void {
    const current = this.ids.length - 1
    if (current >= 0 && this.ids[current] === correlationId) {
      this.lasts[current] = position
      return
    }
    this.ids.push(correlationId)
    this.firsts.push(position)
    this.lasts.push(position)
  }
}
