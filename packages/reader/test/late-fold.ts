/**
 * A service that begins empty while a backfill runs: rows come from the backfill and from the stream, whichever is first. What it
 * holds at the end must be the source's rows, with every column; a value that an update left unsent comes from the row's last image.
 */
import { type RowText, type StoredEvent, parseEventData } from '@sluice/core'
import type { CapturedTable } from '@sluice/system'

export class LateFold {
  readonly #table: CapturedTable
  readonly #rows = new Map<string, RowText>()

  constructor(table: CapturedTable) {
    this.#table = table
  }

  /** @param rowAfter The whole row after an update. */
  apply(event: StoredEvent, rowAfter: RowText | undefined): void {
    if (event.aggregateType !== this.#table.aggregateType) return
    const data = parseEventData(event.eventData)
    const keyOf = (row: RowText): string => JSON.stringify(this.#table.key.map((name) => row[name]))
    switch (data.op) {
      case 'c':
      case 'r':
        this.#rows.set(keyOf(data.after), data.after)
        break
      case 'u': {
        this.#rows.delete(keyOf(data.before ?? data.after))
        this.#rows.set(keyOf(data.after), { ...rowAfter, ...data.after })
        break
      }
      case 'd':
        this.#rows.delete(keyOf(data.before))
        break
      case 't':
        this.#rows.clear()
        break
      case 'e':
        break
    }
  }

  /** As `EventFold.rows`. */
  rows(): readonly string[] {
    return [...this.#rows.values()].map((row) => JSON.stringify(this.#table.columnNames.map((c) => row[c]))).sort()
  }
}
