/** What must hold of the event store, in plain SQL: positions and versions without gaps, no event id twice. */
import type { Client } from 'pg'

const CHECKS: readonly { readonly name: string; readonly sql: string }[] = [
  {
    name: 'positions without gaps',
    sql: `SELECT lane, count(*)::text AS events, min(position)::text AS first, max(position)::text AS last
          FROM event_store GROUP BY lane HAVING min(position) <> 1 OR max(position) <> count(*)`,
  },
  {
    name: 'the lane stands at its last event',
    sql: `SELECT l.lane, l.position::text FROM lanes l
          WHERE l.position <> coalesce((SELECT max(position) FROM event_store e WHERE e.lane = l.lane), 0)`,
  },
  {
    name: 'versions without gaps',
    sql: `SELECT aggregate_type, aggregate_id::text FROM event_store GROUP BY aggregate_type, aggregate_id
          HAVING min(event_version) <> 1 OR max(event_version) <> count(*) LIMIT 10`,
  },
  {
    name: 'versions in the order of positions',
    sql: `SELECT lane, position::text FROM (
            SELECT lane, position, event_version, row_number() OVER (PARTITION BY aggregate_type, aggregate_id ORDER BY position) AS place FROM event_store
          ) v WHERE event_version <> place LIMIT 10`,
  },
  {
    name: 'no event id twice',
    sql: 'SELECT event_id::text FROM event_store GROUP BY event_id HAVING count(*) > 1 LIMIT 10',
  },
]

/** One line for each check that does not hold. */
export async function checkStore(pipeline: Client): Promise<readonly string[]> {
  const problems: string[] = []
  for (const { name, sql } of CHECKS) {
    const { rows } = await pipeline.query<Record<string, unknown>>(sql)
    if (rows.length > 0) problems.push(`${name}: ${JSON.stringify(rows)}`)
  }
  return problems
}
