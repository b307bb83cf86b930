/** What is in each store at the end, counted there and not taken from the processes' own words. */
import { type Offset, offsetOf } from '@sluice/core'
import type { KafkaPort } from '@sluice/kafka'
import { type PostgresTarget, connect } from '@sluice/postgres'

export interface EventCounts {
  /** Distinct events in the event store. */
  readonly stored: number
  /** Distinct event ids found by reading the topics. */
  readonly published: number
  /** Events in `processed_events`, by service. */
  readonly applied: Readonly<Record<string, number>>
  /** Messages in the topics beyond the first of an id. */
  readonly duplicates: number
  /** Events that projectors met again and left alone. */
  readonly redelivered: number
  readonly parked: number
}

export async function countEvents(
  pipeline: PostgresTarget,
  services: Readonly<Record<string, PostgresTarget>>,
  kafka: KafkaPort,
  topics: readonly string[],
): Promise<EventCounts> {
  const stored = await queryOne<{ n: string }>(pipeline, 'SELECT count(DISTINCT event_id) AS n FROM event_store')
  const { messages, ids } = await readTopics(kafka, topics)
  const applied: Record<string, number> = {}
  let redelivered = 0
  let parked = 0
  for (const [service, target] of Object.entries(services)) {
    const counts = await queryOne<{ applied: string; redelivered: string; parked: string }>(
      target,
      `SELECT (SELECT count(*) FROM processed_events) AS applied, (SELECT count(*) FROM parked_events) AS parked,
         (SELECT coalesce(sum(duplicates), 0) FROM processing_batches) AS redelivered`,
    )
    applied[service] = Number(counts.applied)
    redelivered += Number(counts.redelivered)
    parked += Number(counts.parked)
  }
  return { stored: Number(stored.n), published: ids, applied, duplicates: messages - ids, redelivered, parked }
}

/** Reads every partition from its beginning. Ids are held as 16 bytes each. */
async function readTopics(kafka: KafkaPort, topics: readonly string[]): Promise<{ messages: number; ids: number }> {
  const admin = await kafka.admin()
  const seen = new Set<string>()
  let messages = 0
  try {
    for (const topic of topics) {
      for (const { partition, low, high } of await admin.offsets(topic)) {
        if (high === low) continue
        for await (const message of kafka.readPartition(topic, partition, low satisfies Offset)) {
          messages += 1
          const id = message.headers['event-id']?.toString('latin1') ?? `${topic}/${partition}/${offsetOf(message.offset)}`
          seen.add(Buffer.from(id.replaceAll('-', ''), 'hex').toString('latin1'))
        }
      }
    }
  } finally {
    await admin.close()
  }
  return { messages, ids: seen.size }
}

async function queryOne<Row extends object>(target: PostgresTarget, text: string): Promise<Row> {
  const client = await connect(target, { applicationName: 'sluice demo', statementTimeoutMs: 120_000 })
  try {
    const { rows } = await client.query<Row>(text)
    return rows[0]!
  } finally {
    await client.end()
  }
}
