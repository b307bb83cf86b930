/**
 * A subscriber to a topic of Sluice, with plain clients: kafkajs, the registry's client and pg. It keeps a count of
 * opportunities by agency, exactly once, though Kafka may hand it a message again.
 *
 *   KAFKA_BROKERS=… SCHEMA_REGISTRY_URL=… SUBSCRIBER_DATABASE_URL=… node docs/samples/subscriber.ts
 */
import { SchemaRegistry } from '@kafkajs/confluent-schema-registry'
import kafkajs from 'kafkajs'
import pg from 'pg'

const TOPIC = 'contracts.opportunities.migrated'

/** The fields of the envelope that this subscriber uses; the registry has the whole schema. */
interface OpportunityEvent {
  readonly event_id: string
  readonly op: 'c' | 'u' | 'd' | 't' | 'r'
  readonly aggregate_id: string
  readonly correlation_id: string
  readonly after: { readonly agency?: unknown } | null
}

const kafka = new kafkajs.Kafka({
  clientId: 'agency-counter',
  brokers: setting('KAFKA_BROKERS').split(','),
  logLevel: kafkajs.logLevel.ERROR,
})
const registry = new SchemaRegistry({ host: setting('SCHEMA_REGISTRY_URL') })
const database = new pg.Client({ connectionString: setting('SUBSCRIBER_DATABASE_URL') })

await database.connect()
await database.query(`
  CREATE TABLE IF NOT EXISTS seen_events (event_id uuid, partition integer, PRIMARY KEY (event_id, partition));
  CREATE TABLE IF NOT EXISTS agency_of (opportunity_id uuid PRIMARY KEY, agency text, partition integer NOT NULL);
`)

// Read committed is what makes an aborted transaction of the relay invisible; kafkajs does so unless told otherwise.
// Of a subscriber that was killed, Kafka gives the partitions to another one only after its session: 30 s, unless told otherwise.
const consumer = kafka.consumer({ groupId: 'agency-counter', readUncommitted: false, sessionTimeout: 10_000 })
await consumer.connect()
await consumer.subscribe({ topic: TOPIC, fromBeginning: true })
await consumer.run({
  eachMessage: async ({ message, partition }) => {
    if (message.value === null) return // a tombstone, where the topic is compacted
    await apply((await registry.decode(message.value)) as OpportunityEvent, partition)
    // kafkajs commits the offset after this resolves: a crash in between gives the message again, and `seen_events` drops it.
  },
})

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    consumer
      .disconnect()
      .then(() => database.end())
      .catch((error: unknown) => {
        process.stderr.write(`${String(error)}\n`)
        process.exitCode = 1
      })
  })
}

/**
 * Applies one event in one transaction together with its id. The id decides, never an offset. A truncate is in every partition, and
 * ends the keys of each in its place there; every other event is in one.
 */
async function apply(event: OpportunityEvent, partition: number): Promise<void> {
  await database.query('BEGIN')
  const seen = [event.event_id, partition]
  const first = await database.query('INSERT INTO seen_events VALUES ($1, $2) ON CONFLICT DO NOTHING', seen)
  if (first.rowCount === 1) {
    if (event.op === 't') {
      await database.query('DELETE FROM agency_of WHERE partition = $1', [partition])
    } else if (event.op === 'd') {
      await database.query('DELETE FROM agency_of WHERE opportunity_id = $1', [event.aggregate_id])
    } else if (event.after !== null) {
      await database.query(
        'INSERT INTO agency_of VALUES ($1, $2, $3) ON CONFLICT (opportunity_id) DO UPDATE SET agency = coalesce(excluded.agency, agency_of.agency)',
        [event.aggregate_id, typeof event.after.agency === 'string' ? event.after.agency : null, partition],
      )
    }
  }
  await database.query('COMMIT')
}

function setting(name: string): string {
  const value = process.env[name]
  if (value === undefined) throw new Error(`${name} is not set`)
  return value
}
