/**
 * Groups events in position order into waves, each of which a few statements apply (decision 0008).
 *
 * W1  In a set wave each key of a table is written (its changes merged, newer available columns over older), then deleted,
 *     or one of both. What follows a delete of its key opens the next wave, and so does another value of a unique column: merged over
 *     it, two rows that exchange their values by a third would be written in no order that the index allows.
 * W2  A change of key and truncates stand in waves of their own: nothing is moved over them. Handlers come after the waves.
 * W3  The waves in order hold every event once, in order.
 */
import type { RowText } from '@sluice/core'
import { type ProjectedEvent, availableRow, changedKey } from '@sluice/system'
import type { BatchEvent } from './batch.ts'
import type { TableRoute } from './projection-plan.ts'

/** A row as far as it is available, and the newest event that says so. */
export interface WrittenRow {
  readonly row: RowText
  readonly event: ProjectedEvent
}

/** What a wave does to the rows of one captured table, by aggregate id. */
export interface TableChanges {
  readonly writes: Map<string, WrittenRow>
  /** Row with at least the key. */
  readonly deletes: Map<string, RowText>
}

export type Wave =
  | { readonly kind: 'set'; readonly events: readonly BatchEvent[]; readonly changes: ReadonlyMap<TableRoute, TableChanges> }
  | {
      readonly kind: 'key change'
      readonly events: readonly [BatchEvent]
      readonly table: TableRoute
      readonly before: RowText
      readonly written: WrittenRow
    }
  | { readonly kind: 'truncate'; readonly events: readonly BatchEvent[]; readonly tables: readonly TableRoute[] }
  /** Handlers run after the event's own mappings, which are `inner`. */
  | { readonly kind: 'handlers'; readonly events: readonly [BatchEvent]; readonly inner: Wave | null }

export function planWaves(events: readonly BatchEvent[]): readonly Wave[] {
  const waves: Wave[] = []
  let open = new OpenSet()
  const close = (): void => {
    if (open.events.length > 0) waves.push({ kind: 'set', events: open.events, changes: open.changes })
    open = new OpenSet()
  }
  for (const item of events) {
    const table = item.route?.kind === 'table' ? item.route.table : null
    if (item.route === null) continue
    if (table === null || table.handlers.length > 0) {
      close()
      waves.push({ kind: 'handlers', events: [item], inner: table === null ? null : singleWave(item, table) })
    } else if (isSetChange(item.event, table)) {
      if (!open.accepts(item.event, table)) close()
      open.add(item, table)
    } else {
      close()
      const wave = singleWave(item, table)
      const last = waves.at(-1)
      if (wave?.kind === 'truncate' && last?.kind === 'truncate' && isSameCommit(item, last.events[0]!)) {
        waves[waves.length - 1] = { kind: 'truncate', events: [...last.events, item], tables: [...last.tables, table] }
      } else if (wave) waves.push(wave)
      // Without a target there is nothing to write; the event waits behind a parked one of its key all the same.
      else waves.push({ kind: 'set', events: [item], changes: new Map() })
    }
  }
  close()
  return waves
}

class OpenSet {
  readonly events: BatchEvent[] = []
  readonly changes = new Map<TableRoute, TableChanges>()

  accepts(event: ProjectedEvent, table: TableRoute): boolean {
    const changes = this.changes.get(table)
    if (!changes) return true
    if (changes.deletes.has(event.aggregateId)) return false
    const older = changes.writes.get(event.aggregateId)?.row
    return older === undefined || event.op === 'd' || !table.uniqueColumns.some((c) => isOther(event.after?.[c], older[c]))
  }

  add(item: BatchEvent, table: TableRoute): void {
    this.events.push(item)
    let changes = this.changes.get(table)
    if (!changes) {
      changes = { writes: new Map(), deletes: new Map() }
      this.changes.set(table, changes)
    }
    const { event } = item
    const id = event.aggregateId
    if (event.op === 'd') {
      changes.deletes.set(id, event.before ?? {})
      return
    }
    const row = availableRow(event)
    const older = changes.writes.get(id)
    changes.writes.set(id, { row: older ? { ...older.row, ...row } : row, event })
  }
}

function singleWave(item: BatchEvent, table: TableRoute): Wave | null {
  if (table.targets.length === 0) return null
  if (item.event.op === 't') return { kind: 'truncate', events: [item], tables: [table] }
  const before = changedKey(item.event, table.source.key)
  if (before) return { kind: 'key change', events: [item], table, before, written: writtenRow(item.event) }
  const set = new OpenSet()
  set.add(item, table)
  return { kind: 'set', events: [item], changes: set.changes }
}

function isSetChange(event: ProjectedEvent, table: TableRoute): boolean {
  return event.op !== 't' && changedKey(event, table.source.key) === null
}

function writtenRow(event: ProjectedEvent): WrittenRow {
  return { row: availableRow(event), event }
}

function isOther(value: string | null | undefined, older: string | null | undefined): boolean {
  return value !== undefined && older !== undefined && value !== older
}

function isSameCommit(a: BatchEvent, b: BatchEvent): boolean {
  return a.event.commitLsn === b.event.commitLsn
}
