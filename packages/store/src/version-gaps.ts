/** Promise 2 for aggregates: versions run from 1 on without gaps, up to the aggregate's head. */
import type { ClientBase } from 'pg'

export interface VersionGap {
  readonly aggregateType: string
  readonly aggregateId: string
  /** What is wrong, with the measured versions. */
  readonly why: string
}

/**
 * Aggregates whose stored versions are not what they must be, at most `limit`. Sorts the whole event store: for checks,
 * never for a running pipeline. Where retention removed events, versions begin later, and only gaps after that count.
 */
export async function findVersionGaps(client: ClientBase, limit = 100): Promise<readonly VersionGap[]> {
  const { rows } = await client.query<{ aggregate_type: string; aggregate_id: string; why: string }>(
    `SELECT aggregate_type, aggregate_id,
       format('versions %s to %s, %s events, head %s', first, last, events, coalesce(head::text, 'missing')) AS why
     FROM (
       SELECT e.aggregate_type, e.aggregate_id, min(e.event_version) AS first, max(e.event_version) AS last, count(*) AS events,
         count(DISTINCT e.event_version) AS versions, min(h.event_version) AS head
       FROM event_store e
       LEFT JOIN aggregate_heads h ON h.aggregate_id = e.aggregate_id AND h.aggregate_type = e.aggregate_type
       GROUP BY e.aggregate_type, e.aggregate_id
     ) a
     WHERE events <> versions OR last - first + 1 <> versions OR head IS DISTINCT FROM last
       OR (first <> 1 AND NOT EXISTS (SELECT FROM event_retention))
     ORDER BY aggregate_type, aggregate_id LIMIT $1`,
    [limit],
  )
  return rows.map((row) => ({ aggregateType: row.aggregate_type, aggregateId: row.aggregate_id, why: row.why }))
}
