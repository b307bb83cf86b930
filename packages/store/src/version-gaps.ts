/** Promise 2 for aggregates: versions run from 1 on without gaps, in the order of positions, up to the aggregate's head. */
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
 * Versions of an aggregate whose events are in several lanes have an order within each lane only.
 */
export async function findVersionGaps(client: ClientBase, limit = 100): Promise<readonly VersionGap[]> {
  const { rows } = await client.query<{ aggregate_type: string; aggregate_id: string; why: string }>(
    `SELECT aggregate_type, aggregate_id,
       format('versions %s to %s, %s events, head %s%s', first, last, events, coalesce(head::text, 'missing'),
         CASE WHEN is_back THEN ', not in the order of positions' END) AS why
     FROM (
       SELECT e.aggregate_type, e.aggregate_id, min(e.event_version) AS first, max(e.event_version) AS last, count(*) AS events,
         count(DISTINCT e.event_version) AS versions, bool_or(e.event_version <= e.previous) AS is_back, min(h.event_version) AS head
       FROM (
         SELECT aggregate_type, aggregate_id, event_version, lag(event_version) OVER (
           PARTITION BY aggregate_type, aggregate_id, lane ORDER BY position) AS previous
         FROM event_store
       ) e
       LEFT JOIN aggregate_heads h ON h.aggregate_id = e.aggregate_id AND h.aggregate_type = e.aggregate_type
       GROUP BY e.aggregate_type, e.aggregate_id
     ) a
     WHERE events <> versions OR last - first + 1 <> versions OR head IS DISTINCT FROM last OR is_back
       OR (first <> 1 AND NOT EXISTS (SELECT FROM event_retention))
     ORDER BY aggregate_type, aggregate_id LIMIT $1`,
    [limit],
  )
  return rows.map((row) => ({ aggregateType: row.aggregate_type, aggregateId: row.aggregate_id, why: row.why }))
}
