/** The demo's report, as `--json` gives it, and its table. */
import type { LaneChain, ServiceReport } from '@sluice/verify'
import { renderTable } from '../table.ts'
import type { Latency } from './commit-latency.ts'
import type { EventCounts } from './counted-events.ts'
import type { RowChanges } from './row-changes.ts'
import type { TableRows } from './table-rows.ts'

export interface DemoReport {
  readonly system: string
  /** Every row of every service table is as the monolith says, and every event was counted once in each store. */
  readonly equal: boolean
  /** Why it is not good although the rows are equal: counts that do not fit, tables without rows, changes that never came. */
  readonly problems: readonly string[]
  readonly durationMs: number
  readonly events: EventCounts
  /** Commit in the monolith to commit in a service, milliseconds, by the servers' commit timestamps. */
  readonly lagMs: Latency
  readonly services: readonly ServiceReport[]
  readonly chain: readonly LaneChain[]
  /** Transactions while the migration ran, and the rows that they changed. */
  readonly workload: { readonly committed: number; readonly rolledBack: number; readonly changes: RowChanges }
  /** Rows at the end, by `monolith` and service, in every table that is not Sluice's own. */
  readonly rows: Readonly<Record<string, TableRows>>
}

/** Why the counts do not fit together; empty if they do. */
export function countProblems(events: EventCounts): readonly string[] {
  return [
    ...(events.stored === events.published ? [] : [`${events.stored} events are stored, ${events.published} are in the topics`]),
    ...(events.duplicates === 0 ? [] : [`${events.duplicates} messages in the topics are doubled`]),
    ...(events.parked === 0 ? [] : [`${events.parked} events are parked`]),
  ]
}

/** Tables without a row; empty if all have some. */
export function emptyTables(rows: DemoReport['rows']): readonly string[] {
  return Object.entries(rows).flatMap(([place, tables]) =>
    Object.entries(tables).flatMap(([table, n]) => (n > 0 ? [] : [`${place}: ${table} has no rows`])),
  )
}

export function demoTable({
  services,
  events,
  workload,
  rows,
}: Pick<DemoReport, 'services' | 'events' | 'workload' | 'rows'>): string {
  const right = { align: 'right' } as const
  const table = renderTable(
    [
      { title: 'service' },
      { title: 'table' },
      { title: 'rows in the monolith', ...right },
      { title: 'events', ...right },
      { title: 'rows in the service', ...right },
      { title: 'differences', ...right },
    ],
    services.flatMap(({ service, tables }) =>
      tables.map((t, i) => [
        service,
        t.table,
        t.sourceRows,
        i === 0 ? (events.applied[service] ?? 0) : '',
        t.targetRows,
        t.missing + t.extra + t.different,
      ]),
    ),
  )
  const counts = renderTable(
    [
      { title: 'stored', ...right },
      { title: 'published', ...right },
      { title: 'duplicates', ...right },
      { title: 'redelivered', ...right },
      { title: 'parked', ...right },
    ],
    [[events.stored, events.published, events.duplicates, events.redelivered, events.parked]],
  )
  const changes = renderTable(
    [
      { title: 'table of the monolith' },
      { title: 'rows', ...right },
      { title: 'inserted', ...right },
      { title: 'updated', ...right },
      { title: 'deleted', ...right },
    ],
    Object.entries(workload.changes).map(([name, n]) => [name, rows['monolith']?.[name] ?? 0, n.insert, n.update, n.delete]),
  )
  return [changes, '', table, '', counts].join('\n')
}
