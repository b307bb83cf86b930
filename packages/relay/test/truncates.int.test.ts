/** A truncate ends the keys of every partition of its topic, so it is in each of them: one event, one message a partition (decision 0016). */
import { type EventDraft, tableAggregateName } from '@sluice/core'
import { expect, test } from 'vitest'
import { RelayFixture, hooked, order } from './relay-fixture.ts'

const PARTITIONS = 3

const TRUNCATED: Partial<EventDraft> = {
  aggregateId: tableAggregateName('public.orders').id,
  aggregateKey: tableAggregateName('public.orders').key,
  eventData: '{"op":"t"}',
  eventType: 'OrderTruncated',
}

function orders(first: number, count: number): Partial<EventDraft>[] {
  return Array.from({ length: count }, (_, i) => ({ aggregateKey: String(first + i), eventData: order(String(first + i)) }))
}

test('it is in its place in every partition of its topic and in no other, with one event id and position, and counts as one event', async () => {
  const fixture = await RelayFixture.open()
  await fixture.commit(orders(0, 12))
  await fixture.commit([TRUNCATED, ...orders(0, 12)])
  const progress = await fixture.publishAll()
  const published = await fixture.published()
  const copies = published.filter((e) => e.op === 't')
  expect(copies.map((c) => [c.partition, c.position, c.version])).toEqual([0, 1, 2].map((p) => [p, 13n, 1]))
  expect(new Set(copies.map((c) => `${c.eventId} ${c.key}`)).size).toBe(1)
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const positions = published
      .filter((e) => e.partition === partition && e.aggregateType === 'Order')
      .map((e) => Number(e.position))
    expect(positions).toEqual(positions.toSorted((a, b) => a - b))
    expect(positions.filter((p) => p < 13).length, `partition ${partition} has rows on both sides`).toBeGreaterThan(0)
    expect(positions.filter((p) => p > 13).length).toBeGreaterThan(0)
  }
  // A consumer counts what it meets in each partition.
  const ends = (await fixture.controlRecords()).at(-1)!.partitions
  const met = Map.groupBy(published, (e) => e.partition)
  expect(new Map(ends.map((end) => [end.partition, Number(end.events)]))).toEqual(
    new Map([...met].map(([partition, events]) => [partition, events.length])),
  )
  expect(progress.reduce((sum, p) => sum + (p.kind === 'published' ? p.events : 0), 0)).toBe(25)
  const { rows } = await fixture.client.query('SELECT status, count(*)::integer AS events FROM event_outbox GROUP BY status')
  expect(rows).toEqual([{ status: 'published', events: 25 }])
  await fixture.close()
})

test.each(['send', 'commit', 'committed'] as const)('killed at "%s", it is in each partition once all the same', async (at) => {
  const fixture = await RelayFixture.open()
  await fixture.commit(orders(0, 6))
  await fixture.publishAll()
  await fixture.commit([TRUNCATED])
  const killed = hooked(fixture.kafka, (step) => {
    if (step === at) throw new Error('killed')
  })
  await expect(fixture.publishAll({ kafka: killed })).rejects.toThrow('killed')
  await fixture.commit(orders(6, 6))
  await fixture.publishAll()
  const published = await fixture.published()
  expect(published.filter((e) => e.op === 't').map((e) => e.partition)).toEqual([0, 1, 2])
  expect(new Set(published.map((e) => e.position)).size).toBe(13)
  expect(published).toHaveLength(13 + PARTITIONS - 1)
  await fixture.close()
})
