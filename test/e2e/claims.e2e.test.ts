/**
 * The claim check from end to end: values larger than a message arrive equal in the service and at a plain subscriber, both of which may
 * read nothing else of the pipeline database, and no process needs much memory for it.
 */
import { SchemaRegistry } from '@kafkajs/confluent-schema-registry'
import kafkajs from 'kafkajs'
import pg from 'pg'
import { expect, test } from 'vitest'
import { type Claim, claimedValues } from '../../docs/samples/claimed-values.ts'
import { catchingUp } from '../harness/caught-up.ts'
import { runSluice } from '../harness/sluice-process.ts'
import { startTestServers } from '../harness/test-servers.ts'
import { startTestSystem } from '../harness/test-system.ts'
import { waitUntil } from '../harness/wait-until.ts'

const SYSTEM = new URL('./archive-system/system.ts', import.meta.url)
const LIMIT_MS = 240_000
/** One row of 60 MB as text took 435 to 444 MiB in the relay and 478 to 501 MiB in the projector: the bounds of memory are those of batches. */
const RSS_MAX_BYTES = 640 * 1024 * 1024

/** A text that no compression makes small, `megabytes` long. */
const noise = (megabytes: number): string =>
  `(SELECT string_agg(md5(i::text), '') FROM generate_series(1, ${megabytes * 32_768}) AS s (i))`

interface PaperEvent {
  readonly aggregate_key: string
  readonly op: string
  readonly after: { readonly body?: unknown; readonly pages: number }
  readonly claims: readonly Claim[] | null
}

test('a text and a bytea of 20 MB arrive equal, in the service and at a subscriber, verify says so, and memory stays bounded', async () => {
  await using servers = await startTestServers()
  await using system = await startTestSystem(servers, SYSTEM)
  const pipeline = await system.client('pipeline')
  await pipeline.query(`CREATE ROLE archive_reader LOGIN PASSWORD 'few' IN ROLE sluice_claims`)
  const claims = new URL(system.url('pipeline'))
  claims.username = 'archive_reader'
  claims.password = 'few'
  await system.startOnce()
  const reader = system.start('reader', ['run', 'reader'])
  const relay = system.start('relay', ['run', 'relay'])
  const projector = system.start('projector', ['run', 'projector', 'copy'], {
    SLUICE_PIPELINE_URL: '',
    SLUICE_CLAIMS_URL: claims.href,
  })
  const monolith = await system.client('monolith')
  await monolith.query(
    `INSERT INTO papers VALUES (1, 'both', ${noise(20)}, decode(${noise(40)}, 'hex'), NULL, 1), (2, 'small', 'body', '\\x00ff', '{"a": 1}', 1)`,
  )
  await monolith.query(`INSERT INTO papers VALUES (3, 'facts', 'body', NULL, jsonb_build_object('größer', ${noise(10)}), 1)`)
  // 60 MB in one transaction: no process holds them all.
  await monolith.query(
    `INSERT INTO papers SELECT i, 'one of many', ${noise(10)} || i, NULL, NULL, 1 FROM generate_series(11, 16) AS s (i)`,
  )
  await monolith.query('UPDATE papers SET pages = 2')
  const processes = { reader, relay, projector }
  const isCaughtUp = catchingUp(system)
  await waitUntil('everything to be applied', LIMIT_MS, async () => {
    for (const [name, child] of Object.entries(processes)) {
      if (!child.isRunning) throw new Error(`the ${name} ended: ${child.stderr}`)
    }
    return isCaughtUp()
  })
  for (const [name, child] of Object.entries(processes)) {
    const mebibytes = Math.round(child.rssMaxBytes() / 1024 / 1024)
    process.stderr.write(`${name}: ${mebibytes} MiB resident at most\n`)
    // The reader holds a row of any size as it came; its bound is that of its batches (docs/limitations.md).
    if (child !== reader) expect.soft(child.rssMaxBytes(), name).toBeLessThan(RSS_MAX_BYTES)
  }

  const digests = `SELECT id, pages, md5(body) AS body, md5(scan) AS scan, md5(facts::text) AS facts FROM papers ORDER BY id`
  const wanted = (await monolith.query(digests)).rows
  expect(wanted).toHaveLength(9)
  expect((await (await system.client('copy')).query(digests)).rows).toEqual(wanted)
  const verify = await runSluice(['verify'], { ...system.env, NO_COLOR: '1' })
  expect(verify, verify.stderr).toMatchObject({ code: 0 })
  expect((await (await system.client('copy')).query('SELECT FROM parked_events')).rows).toEqual([])

  const events = await allEvents(system.env['KAFKA_BROKERS']!, system.env['SCHEMA_REGISTRY_URL']!, 18)
  const [large] = events.filter((event) => event.aggregate_key === '1' && event.op === 'c')
  expect(large!.claims!.map(({ row, column }) => [row, column])).toEqual([
    ['after', 'body'],
    ['after', 'scan'],
  ])
  const subscriber = new pg.Client({ connectionString: claims.href })
  await subscriber.connect()
  const values = await claimedValues(subscriber, large!.claims!)
  const [body, scan] = large!.claims!.map((claim) => values.get(claim.claim_id)!)
  const { rows } = await monolith.query<{ body: string; scan: Buffer }>('SELECT body, scan FROM papers WHERE id = 1')
  expect(body === rows[0]!.body).toBe(true)
  expect(Buffer.from(scan!.slice(2), 'hex').equals(rows[0]!.scan)).toBe(true)
  await expect(subscriber.query('SELECT FROM event_store')).rejects.toMatchObject({ code: '42501' })
  await subscriber.end()
  expect(events.filter((event) => event.aggregate_key === '2').map((event) => event.claims)).toEqual([null, null])
  await system.stopAll()
  await pipeline.query('DROP ROLE archive_reader')
})

/** What a plain client reads of the topic. */
async function allEvents(brokers: string, registryUrl: string, count: number): Promise<readonly PaperEvent[]> {
  const registry = new SchemaRegistry({ host: registryUrl })
  const kafka = new kafkajs.Kafka({ clientId: 'plain', brokers: brokers.split(','), logLevel: kafkajs.logLevel.NOTHING })
  const consumer = kafka.consumer({ groupId: 'plain', readUncommitted: false })
  await consumer.connect()
  await consumer.subscribe({ topic: 'archive.papers', fromBeginning: true })
  const events: PaperEvent[] = []
  await consumer.run({
    eachMessage: async ({ message }) => {
      if (message.value !== null) events.push((await registry.decode(message.value)) as PaperEvent)
    },
  })
  await waitUntil('the subscriber to have everything', LIMIT_MS, () => Promise.resolve(events.length >= count))
  await consumer.disconnect()
  return events
}
