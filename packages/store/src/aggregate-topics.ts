/** Topic of each aggregate type, for the view `event_outbox`; the relay's own routing is the system definition. */
import type { ClientBase } from 'pg'

export interface AggregateTopic {
  readonly aggregateType: string
  readonly topic: string
}

/** Makes the list of a system what it is told; other systems' rows stay. */
export async function saveAggregateTopics(
  client: ClientBase,
  systemName: string,
  topics: readonly AggregateTopic[],
): Promise<void> {
  await client.query(
    `WITH told AS (SELECT * FROM unnest($2::text[], $3::text[]) AS t (aggregate_type, topic)),
     gone AS (
       DELETE FROM aggregate_topics a WHERE a.system_name = $1
         AND NOT EXISTS (SELECT FROM told t WHERE t.aggregate_type = a.aggregate_type)
     )
     INSERT INTO aggregate_topics (system_name, aggregate_type, topic) SELECT $1, t.aggregate_type, t.topic FROM told t
     ON CONFLICT (system_name, aggregate_type) DO UPDATE SET topic = EXCLUDED.topic`,
    [systemName, topics.map((t) => t.aggregateType), topics.map((t) => t.topic)],
  )
}
