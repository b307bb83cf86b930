/** What the workload did to each captured table, counted in the event store. */
import { type PostgresTarget, connect } from '@sluice/postgres'
import { qualifiedName } from '@sluice/system'
import type { RowChange, SystemDemo } from '@sluice/workload'

/** Rows by table and change; rows of the initial load are not among them. */
export type RowChanges = Readonly<Record<string, Readonly<Record<RowChange, number>>>>

export async function countRowChanges(pipeline: PostgresTarget, demo: SystemDemo): Promise<RowChanges> {
  const client = await connect(pipeline, { applicationName: 'sluice demo', statementTimeoutMs: 120_000 })
  try {
    const { rows } = await client.query<{ aggregate: string; type: string; n: string }>(
      'SELECT aggregate_type AS aggregate, event_type AS type, count(*) AS n FROM event_store GROUP BY 1, 2',
    )
    const counted = new Map(rows.map((row) => [`${row.aggregate} ${row.type}`, Number(row.n)]))
    return Object.fromEntries(
      [...demo.changes.keys()].map((table) => {
        const count = (type: string): number => counted.get(`${table.aggregateType} ${type}`) ?? 0
        const { created, updated, deleted } = table.eventTypes
        return [qualifiedName(table), { insert: count(created), update: count(updated), delete: count(deleted) }]
      }),
    )
  } finally {
    await client.end()
  }
}

/** Changes that a table allows and that never came; empty if the workload did everything. */
export function missingChanges(demo: SystemDemo, counts: RowChanges): readonly string[] {
  return [...demo.changes].flatMap(([table, changes]) =>
    changes
      .filter((change) => (counts[qualifiedName(table)]?.[change] ?? 0) === 0)
      .map((change) => `the workload made no ${change} in ${qualifiedName(table)}`),
  )
}
