import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SluiceError } from '@sluice/core'
import type { RelayEvent } from '@sluice/relay'
import { CORRELATION, RelayFixture, hooked, order, orderRow, shop } from './relay-fixture.ts'

describe('a lane of three commits', () => {
  let fixture: RelayFixture
  beforeAll(async () => {
    fixture = await RelayFixture.open()
    await fixture.commit([
      { aggregateKey: '1', eventData: order('1') },
      { aggregateKey: '2', eventData: order('2') },
    ])
    await fixture.commit([
      { aggregateType: 'Customer', eventType: 'CustomerCreated', eventData: '{"op":"c","after":{"id":"7","name":"Ada"}}' },
    ])
    await fixture.commit([
      { aggregateKey: '1', eventType: 'OrderUpdated', eventData: '{"op":"u","after":{"id":"1","amount":null}}' },
    ])
    await fixture.commit([{ aggregateType: 'note', eventType: 'NoteTaken', eventData: '{"op":"e","payload":"{\\"a\\": 1}"}' }])
    await fixture.publishAll()
  })
  afterAll(() => fixture.close())

  test('every event is in its topic once, whole, and tells where it comes from', async () => {
    const events = [...(await fixture.published())].sort((a, b) => Number(a.position - b.position))
    expect(events.map((e) => [e.position, e.eventType, e.op])).toEqual([
      [1n, 'OrderCreated', 'c'],
      [2n, 'OrderCreated', 'c'],
      [3n, 'CustomerCreated', 'c'],
      [4n, 'OrderUpdated', 'u'],
      [5n, 'NoteTaken', 'e'],
    ])
    expect(events[0]?.after).toEqual(orderRow('1'))
    expect(events[3]?.after).toEqual({ id: '1', amount: null })
    expect(events[4]?.payload).toBe('{"a": 1}')
    expect(events.every((e) => e.context.correlationId === CORRELATION)).toBe(true)
  })

  test('the events of a key are in one partition, in order', async () => {
    const ofKey = (await fixture.published()).filter((e) => e.key === '1')
    expect(ofKey.map((e) => e.position)).toEqual([1n, 4n])
    expect(new Set(ofKey.map((e) => e.partition)).size).toBe(1)
  })

  test('the control records name position, ends, counts and the head of the chain', async () => {
    const records = await fixture.controlRecords()
    const lane = await fixture.record()
    const last = records.at(-1)
    expect(last).toMatchObject({
      position: 5n,
      commitEnd: true,
      link: lane.link,
      head: lane.head.toString('hex'),
      epoch: lane.epoch,
    })
    expect(records[0]?.previous).toBe(0n)
    records.slice(1).forEach((r, i) => expect(r.previous).toBe(records[i]?.position))
    await expectEndsAsInKafka(fixture)
  })

  test('the default headers, and no more', async () => {
    const [message] = await fixture.messages(`${fixture.system.name}.customers`)
    expect(Object.keys(message?.headers ?? {})).toEqual(['event-id', 'correlation-id'])
  })

  test('the store shows what is published', async () => {
    const { rows } = await fixture.client.query('SELECT DISTINCT status FROM event_outbox')
    expect(rows).toEqual([{ status: 'published' }])
    const log = await fixture.client.query(`SELECT max(last_position)::int AS last FROM processing_batches WHERE stage = 'relay'`)
    expect(log.rows).toEqual([{ last: 5 }])
  })

  test('a relay with nothing to do adds nothing', async () => {
    const before = (await fixture.controlRecords()).length
    await fixture.publishAll()
    expect((await fixture.controlRecords()).length).toBe(before)
  })
})

test('the time of a record is that of its publication: retention does not take what was committed long ago before it is read', async () => {
  const fixture = await RelayFixture.open()
  const yearMs = 365 * 24 * 60 * 60 * 1000
  const begun = Date.now()
  await fixture.commit([{ aggregateKey: '9', eventData: order('9') }], begun - yearMs)
  await fixture.publishAll()
  const message = (await fixture.messages(`${fixture.system.name}.orders`)).find((m) => m.key?.toString() === '9')
  expect(message?.timestampMs).toBeGreaterThanOrEqual(begun)
  // When it was committed stands in the event.
  const event = (await fixture.published()).find((e) => e.key === '9')
  expect(event?.committedAtMicros).toBe(BigInt(begun - yearMs) * 1000n)
  await fixture.close()
})

test('a topic with CloudEvents has its binary mode', async () => {
  const fixture = await RelayFixture.open(shop('cloudevents'))
  await fixture.commit([
    { aggregateKey: '1', causationId: 'cause', traceparent: '00-1-2-01', migrationId: 'run', eventData: order('1') },
  ])
  await fixture.publishAll()
  const [message] = await fixture.messages(`${fixture.system.name}.orders`)
  const headers = Object.fromEntries(Object.entries(message?.headers ?? {}).map(([k, v]) => [k, v.toString()]))
  expect(headers).toMatchObject({
    'content-type': 'application/avro',
    ce_specversion: '1.0',
    ce_type: 'OrderCreated',
    ce_subject: '1',
    ce_correlationid: CORRELATION,
    ce_causationid: 'cause',
    traceparent: '00-1-2-01',
    'migration-id': 'run',
  })
  expect(headers['ce_id']).toBe(headers['event-id'])
  expect(headers['ce_time']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
  await fixture.close()
})

describe.each([
  ['in one request', 1],
  ['in several, the control record with the last', 2],
] as const)('a relay that dies while it publishes commits %s', (_how, rows) => {
  test.each(['send', 'commit', 'committed'] as const)('leaves nothing twice and nothing out, killed at "%s"', async (at) => {
    const fixture = await RelayFixture.open()
    for (let n = 0; n < 6; n++) {
      const key = { aggregateKey: String(n % 2) }
      await fixture.commit(Array.from({ length: rows }, (_, row) => ({ ...key, eventData: order(String(n * rows + row)) })))
    }
    let deaths = 0
    const kafka = hooked(fixture.kafka, (step) => {
      if (step === at && deaths++ % 3 === 0) throw new Error('killed')
    })
    // A chunk holds one event, and a transaction one commit.
    const limits = { transactionEventsMax: rows, chunkBytesMax: 1 }
    const attempts = await untilPublished(() => fixture.publishAll({ kafka, limits }))
    expect(attempts).toBeGreaterThan(1)
    const events = await fixture.published()
    expect(events.map((e) => Number(e.position)).sort((a, b) => a - b)).toEqual(Array.from({ length: 6 * rows }, (_, i) => i + 1))
    await expectEndsAsInKafka(fixture)
    await fixture.close()
  })
})

test('a second relay fences the first, which stops', async () => {
  const fixture = await RelayFixture.open()
  await fixture.commit([{ eventData: order('1') }])
  const first = new AbortController()
  const started = Promise.withResolvers<undefined>()
  const fenced = fixture.relay({ onProgress: (e) => e.kind === 'published' && started.resolve(undefined) }).run(first.signal)
  const outcome = fenced.then(
    () => 'stopped',
    (error: unknown) => error,
  )
  await started.promise
  await fixture.publishAll()
  await fixture.commit([{ eventData: order('2') }])
  expect(await outcome).toMatchObject({ code: 'RELAY_FENCED' })
  await fixture.publishAll()
  expect((await fixture.published()).length).toBe(2)
  await fixture.close()
})

test('a commit below the bound is in one transaction, a larger one is split, and chunks of bytes do not part it', async () => {
  const fixture = await RelayFixture.open()
  const rows = (count: number) => Array.from({ length: count }, (_, i) => ({ eventData: order(String(i), 'x'.repeat(500)) }))
  await fixture.commit(rows(30))
  await fixture.commit(rows(250))
  await fixture.commit(rows(90))
  const events = await fixture.publishAll({ limits: { transactionEventsMax: 100, chunkBytesMax: 8_000 } })
  const published = events.filter((e) => e.kind === 'published')
  expect(published.map((e) => e.events)).toEqual([30, 40, 40, 40, 40, 90, 90])
  expect((await fixture.controlRecords()).map((r) => r.commitEnd)).toEqual([true, false, false, false, false, true, true])
  expect((await fixture.published()).length).toBe(370)
  await fixture.close()
})

test('a relay that is killed inside a large commit goes on inside it', async () => {
  const fixture = await RelayFixture.open()
  await fixture.commit([{ eventData: order('0') }])
  await fixture.commit(Array.from({ length: 25 }, (_, i) => ({ eventData: order(String(i)) })))
  let commits = 0
  const kafka = hooked(fixture.kafka, (step) => {
    if (step === 'committed' && ++commits === 2) throw new Error('killed')
  })
  await expect(fixture.publishAll({ kafka, limits: { transactionEventsMax: 10 } })).rejects.toThrow('killed')
  await fixture.publishAll({ limits: { transactionEventsMax: 10 } })
  expect(new Set((await fixture.published()).map((e) => e.position)).size).toBe(26)
  expect((await fixture.published()).length).toBe(26)
  await fixture.close()
})

test('where an event can not be parked either, the relay stops there: all before it is published, the event is named', async () => {
  const fixture = await RelayFixture.open()
  await fixture.commit([{ eventData: order('1') }])
  await fixture.commit([{ eventData: '{"op":"c","after":{"id":"secret-value"}}' }])
  await fixture.commit([{ eventData: order('3') }])
  const refused: RelayEvent[] = []
  const failed = fixture.publishAll({
    limits: { parkedMax: 0 },
    onProgress: (e) => e.kind === 'refused' && refused.push(e),
  })
  const error = await failed.catch((e: unknown) => e)
  expect(error).toBeInstanceOf(SluiceError)
  expect(error).toMatchObject({ code: 'EVENT_NOT_ENCODABLE', why: 'column id: the stored text is no long' })
  expect(refused).toMatchObject([{ position: 2n }])
  expect((await fixture.published()).map((e) => e.position)).toEqual([1n])
  const { rows } = await fixture.client.query<{ row: string }>('SELECT f::text AS row FROM relay_failures f')
  expect(rows.length).toBe(1)
  expect(rows[0]?.row).not.toContain('secret-value')
  await fixture.close()
})

describe('a hand-over that does not fit stops the relay', () => {
  const failure = (fixture: RelayFixture): Promise<unknown> => fixture.publishAll().catch((e: unknown) => e)

  test('the store lost its tail', async () => {
    const fixture = await RelayFixture.open()
    await fixture.commit([{ eventData: order('1') }])
    await fixture.publishAll()
    await fixture.client.query(`DELETE FROM event_store; DELETE FROM event_commits; UPDATE relay_progress SET position = 0`)
    await fixture.client.query(`UPDATE lanes SET position = 0, link = 0`)
    expect(await failure(fixture)).toMatchObject({ code: 'KAFKA_AHEAD' })
    await fixture.close()
  })

  test('the store has other events where the published ones were', async () => {
    const fixture = await RelayFixture.open()
    await fixture.commit([{ eventData: order('1') }])
    await fixture.publishAll()
    await fixture.client.query(`UPDATE event_commits SET hash = sha256('another')`)
    expect(await failure(fixture)).toMatchObject({ code: 'KAFKA_AHEAD' })
    await fixture.close()
  })

  test('another lane epoch', async () => {
    const fixture = await RelayFixture.open()
    await fixture.commit([{ eventData: order('1') }])
    await fixture.publishAll()
    await fixture.client.query('UPDATE lanes SET epoch = gen_random_uuid()')
    expect(await failure(fixture)).toMatchObject({ code: 'KAFKA_AHEAD' })
    await fixture.close()
  })

  test('another cluster', async () => {
    const fixture = await RelayFixture.open()
    await fixture.commit([{ eventData: order('1') }])
    await fixture.publishAll()
    await fixture.client.query(`UPDATE relay_progress SET cluster_id = 'another'`)
    expect(await failure(fixture)).toMatchObject({ code: 'KAFKA_CLUSTER_CHANGED' })
    await fixture.close()
  })

  test('the control topic lost records', async () => {
    const fixture = await RelayFixture.open()
    await fixture.commit([{ eventData: order('1') }, { eventData: order('2') }])
    await fixture.publishAll()
    await fixture.client.query('UPDATE relay_progress SET position = 3')
    expect(await failure(fixture)).toMatchObject({ code: 'KAFKA_BEHIND' })
    await fixture.close()
  })
})

test('how fast a small transaction and a backlog are published is printed: the figures depend on the machine', async () => {
  const fixture = await RelayFixture.open()
  const latencies: number[] = []
  const published = { resolve: (): void => undefined }
  const stop = new AbortController()
  const running = fixture.relay({ onProgress: (e) => e.kind === 'published' && published.resolve() }).run(stop.signal)
  for (let n = 0; n < 100; n++) {
    const done = Promise.withResolvers<undefined>()
    published.resolve = () => done.resolve(undefined)
    await fixture.commit([{ eventData: order(String(n)) }])
    const stored = performance.now()
    await done.promise
    latencies.push(performance.now() - stored)
    await delay(2)
  }
  stop.abort()
  await running
  for (let n = 0; n < 60; n++)
    await fixture.commit(Array.from({ length: 1000 }, (_, i) => ({ aggregateKey: String(i), eventData: order(String(i)) })))
  const started = performance.now()
  const backlog = await fixture.publishAll()
  const seconds = (performance.now() - started) / 1000
  latencies.sort((a, b) => a - b)
  process.stderr.write(
    `small transaction: p50 ${latencies[50]?.toFixed(1)} ms, p99 ${latencies[98]?.toFixed(1)} ms; backlog: ${Math.round(60_000 / seconds)} events/s\n`,
  )
  expect(backlog.reduce((sum, e) => sum + (e.kind === 'published' ? e.events : 0), 0)).toBe(60_000)
  await fixture.close()
})

/** The last control record against what a consumer finds in the partitions. */
async function expectEndsAsInKafka(fixture: RelayFixture): Promise<void> {
  const partitions = (await fixture.controlRecords()).at(-1)?.partitions ?? []
  expect(partitions.length).toBeGreaterThan(0)
  for (const { topic, partition, end, events } of partitions) {
    const found = (await fixture.messages(topic)).filter((m) => m.partition === partition)
    expect([found.length, found.at(-1)?.offset]).toEqual([Number(events), end - 1n])
  }
}

/** Starts again after each death, as the supervisor does. @returns attempts */
async function untilPublished(run: () => Promise<unknown>): Promise<number> {
  for (let attempts = 1; ; attempts++) {
    try {
      await run()
      return attempts
    } catch (error) {
      if (!(error instanceof Error) || !error.message.includes('killed')) throw error
    }
  }
}
