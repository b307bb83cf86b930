/**
 * A model of the source's tables, made from events in position order by the plainest rules, and strict: a row is created or
 * loaded only where there is none, and changed or deleted only where there is one. So a gap, an overlap or a row that goes
 * back in time fails at its event. A row of a backfill must be there already, exactly as the backfill says.
 */
import { type RowText, type StoredEvent, parseEventData } from '@sluice/core'
import type { CapturedTable } from '@sluice/system'

export class EventFold {
  readonly #tables: ReadonlyMap<string, CapturedTable>
  readonly #rows = new Map<string, Map<string, RowText>>()
  readonly #backfills: ReadonlySet<string>

  /** @param backfills Their migration ids. */
  constructor(tables: readonly CapturedTable[], backfills: ReadonlySet<string> = new Set()) {
    this.#backfills = backfills
    this.#tables = new Map(tables.map((table) => [table.aggregateType, table]))
    for (const table of tables) this.#rows.set(table.name, new Map())
  }

  apply(event: StoredEvent): void {
    const table = this.#tables.get(event.aggregateType)!
    const rows = this.#rows.get(table.name)!
    const data = parseEventData(event.eventData)
    const keyOf = (row: RowText): string => JSON.stringify(table.key.map((name) => row[name]))
    const fail = (what: string): never => {
      throw new Error(`position ${event.position}, ${event.eventType} ${event.aggregateKey}: ${what}`)
    }
    switch (data.op) {
      case 'c':
      case 'r': {
        const key = keyOf(data.after)
        if (event.migrationId !== null && this.#backfills.has(event.migrationId)) {
          const row = rows.get(key) ?? fail(`the row ${key} is not there`)
          const differs = table.columnNames.find((name) => row[name] !== data.after[name])
          if (differs !== undefined) fail(`column ${differs} of row ${key} is not what the stream made it`)
          break
        }
        if (rows.has(key)) fail(`the row ${key} is there already`)
        rows.set(key, data.after)
        break
      }
      case 'u': {
        const oldKey = keyOf(data.before ?? data.after)
        const row = rows.get(oldKey) ?? fail(`the row ${oldKey} is not there`)
        rows.delete(oldKey)
        const newKey = keyOf(data.after)
        if (rows.has(newKey)) fail(`the row ${newKey} is there already`)
        rows.set(newKey, { ...row, ...data.after })
        break
      }
      case 'd': {
        const key = keyOf(data.before)
        if (!rows.delete(key)) fail(`the row ${key} is not there`)
        break
      }
      case 't':
        rows.clear()
        break
      case 'e':
        break
    }
  }

  /** The row that a change left, with the values that it left out. */
  rowAfter(event: StoredEvent): RowText | undefined {
    const data = parseEventData(event.eventData)
    const table = this.#tables.get(event.aggregateType)!
    if (data.op !== 'u') return undefined
    return this.#rows.get(table.name)!.get(JSON.stringify(table.key.map((name) => data.after[name])))
  }

  /** Rows of a table as JSON texts of their columns in the definition's order, sorted. */
  rows(table: CapturedTable): readonly string[] {
    return [...this.#rows.get(table.name)!.values()].map((row) => JSON.stringify(table.columnNames.map((c) => row[c]))).sort()
  }
}
