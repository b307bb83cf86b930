/** What the oracle reads of the topics: a consumer that fails on its way and begins again makes no event one that is there twice. */
import { randomUUID } from 'node:crypto'
import { type Server, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry'
import kafkajs from 'kafkajs'
import { expect, test } from 'vitest'
import { checkTopics } from '../oracle/topic-invariants.ts'

const REGISTRY_URL = process.env['SLUICE_TEST_REGISTRY_URL']!
const BROKERS = [process.env['SLUICE_TEST_KAFKA_BROKERS']!]
/** More than the oracle's registry client makes for one schema. */
const REFUSALS = 8

/** A schema that differs in its name: the registry gives each an id of its own. */
function schemaOf(name: string): string {
  const text = ['event_id', 'event_type', 'op', 'aggregate_type', 'aggregate_id'].map((field) => ({
    name: field,
    type: 'string',
  }))
  const numbers = ['version', 'lane', 'position'].map((field) => ({ name: field, type: 'long' }))
  return JSON.stringify({ type: 'record', name, fields: [...text, ...numbers] })
}

/** Passes requests on to the registry, and refuses so many of the first for this schema. */
async function startTiredRegistry(schema: number): Promise<{ readonly server: Server; readonly refused: () => number }> {
  let refused = 0
  const server = createServer((request, response) => {
    if (request.url?.endsWith(`/ids/${schema}`) && refused < REFUSALS) {
      refused += 1
      response.writeHead(503).end()
      return
    }
    fetch(`${REGISTRY_URL}${request.url ?? ''}`)
      .then(async (answer) => {
        response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text())
      })
      .catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { server, refused: () => refused }
}

test('events that a consumer was given twice, since it had to begin again, are in the topic once; those that lie there twice are told', async () => {
  const topic = `oracle-${randomUUID()}`
  const registry = new SchemaRegistry({ host: REGISTRY_URL })
  const ids: number[] = []
  for (const name of ['First', 'Second']) {
    const subject = `${topic}.${name}`
    ids.push(
      (await registry.register({ type: SchemaType.AVRO, schema: schemaOf(`${name}${randomUUID().slice(0, 8)}`) }, { subject }))
        .id,
    )
  }
  const [first, second] = ids as [number, number]
  const event = async (schema: number, position: number): Promise<kafkajs.Message> => {
    const envelope = {
      event_type: 'Changed',
      op: 'c',
      aggregate_type: 'Thing',
      aggregate_id: `${position}`,
      version: 1,
      lane: 1,
      position,
    }
    return { value: await registry.encode(schema, { ...envelope, event_id: `event ${position}` }) }
  }
  const kafka = new kafkajs.Kafka({ brokers: BROKERS, clientId: 'test', logLevel: kafkajs.logLevel.NOTHING })
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }] })
  await admin.disconnect()
  const producer = kafka.producer()
  await producer.connect()
  const send = async (...messages: kafkajs.Message[]): Promise<unknown> => producer.send({ topic, messages })
  await send(await event(first, 1), await event(first, 2), await event(second, 3))

  const { server, refused } = await startTiredRegistry(second)
  const { port } = server.address() as AddressInfo
  const check = (last: bigint): ReturnType<typeof checkTopics> =>
    checkTopics({
      brokers: BROKERS,
      registryUrl: `http://127.0.0.1:${port}`,
      topics: [topic],
      expected: new Map([[1, last]]),
    })
  expect(await check(3n)).toMatchObject({ messages: 3, distinct: 3, lost: 0, outOfOrder: 0, problems: [] })
  expect(refused()).toBe(REFUSALS)

  await send(await event(first, 2))
  const { messages, distinct, problems } = await check(3n)
  expect([messages, distinct]).toEqual([4, 3])
  expect(problems).toContain(`event event 2 (position 2) is twice in the topics: ${topic}/0 at 1, ${topic}/0 at 3`)
  await producer.disconnect()
  await new Promise((resolve) => server.close(resolve))
})
