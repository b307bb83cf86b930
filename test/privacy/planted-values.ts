/** Looks for planted values in every place that keeps something: tables as text, topics and files as raw bytes, lines of a log. */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import kafkajs from 'kafkajs'
import type { ClientBase } from 'pg'

/** `schema.table: value` for every value found in a database; also inside of bytea, which prints as hexadecimal digits. */
export async function plantedInDatabase(
  client: ClientBase,
  values: readonly string[],
  exceptTables: readonly string[] = [],
): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string; quoted: string }>(
    `SELECT n.nspname || '.' || c.relname AS name, format('%I.%I', n.nspname, c.relname) AS quoted
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'm') AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%' ORDER BY 1`,
  )
  const found: string[] = []
  for (const { name, quoted } of rows.filter((row) => !exceptTables.includes(row.name))) {
    const hits = await client.query<{ value: string }>(
      `SELECT DISTINCT v.value FROM ${quoted} AS t
       JOIN unnest($1::text[]) AS v (value) ON position(v.value IN t::text) > 0
         OR position(encode(convert_to(v.value, 'UTF8'), 'hex') IN t::text) > 0`,
      [values],
    )
    found.push(...hits.rows.map(({ value }) => `${name}: ${value}`))
  }
  return found
}

/** `topic: value` for every value in the keys, values and headers of topics, aborted transactions included. */
export async function plantedInTopics(
  brokers: readonly string[],
  topics: readonly string[],
  values: readonly string[],
): Promise<readonly string[]> {
  const kafka = new kafkajs.Kafka({ brokers: [...brokers], clientId: 'planted', logLevel: kafkajs.logLevel.NOTHING })
  const admin = kafka.admin()
  await admin.connect()
  const ends = new Map<string, bigint>()
  for (const topic of topics) {
    for (const { partition, low, high } of await admin.fetchTopicOffsets(topic)) {
      if (BigInt(high) > BigInt(low)) ends.set(`${topic}/${partition}`, BigInt(high))
    }
  }
  await admin.disconnect()
  const found = new Set<string>()
  const consumer = kafka.consumer({ groupId: `planted-${crypto.randomUUID()}`, maxWaitTimeInMs: 100, readUncommitted: true })
  await consumer.connect()
  await consumer.subscribe({ topics: [...topics], fromBeginning: true })
  const all = Promise.withResolvers<undefined>()
  if (ends.size === 0) all.resolve(undefined)
  await consumer.run({
    eachBatchAutoResolve: true,
    eachBatch: async ({ batch }) => {
      for (const { key, value, headers } of batch.messages) {
        const bytes = Buffer.concat([key ?? Buffer.alloc(0), value ?? Buffer.alloc(0), Buffer.from(JSON.stringify(headers))])
        for (const planted of values) if (bytes.includes(planted)) found.add(`${batch.topic}: ${planted}`)
      }
      const place = `${batch.topic}/${batch.partition}`
      const end = ends.get(place)
      if (end !== undefined && BigInt(batch.lastOffset()) + 1n >= end) ends.delete(place)
      if (ends.size === 0) all.resolve(undefined)
      return Promise.resolve()
    },
  })
  await all.promise
  await consumer.disconnect()
  return [...found].sort()
}

/** Bytes of this process's open files in a folder, those without a name among them, as Linux shows them. */
export function openBytes(inFolder: string): Buffer {
  const files = readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(inFolder) ? [readFileSync(`/proc/self/fd/${fd}`)] : []
    } catch {
      // Closed meanwhile, as the folder's own descriptor is by now.
      return []
    }
  })
  return Buffer.concat(files)
}

/** The values that stand in some bytes. */
export function plantedInBytes(bytes: Buffer, values: readonly string[]): readonly string[] {
  return values.filter((value) => bytes.includes(value))
}

/** The values that stand in a text. */
export function plantedInText(text: string, values: readonly string[]): readonly string[] {
  return values.filter((value) => text.includes(value))
}
