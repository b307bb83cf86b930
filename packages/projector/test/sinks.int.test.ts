import { installFaultPoints } from '@sluice/core'
import { type SystemDefinition, clickhouseEvents } from '@sluice/system'
import { afterEach, describe, expect, test } from 'vitest'
import { workOnParked } from '../src/index.ts'
import { MemorySink } from './memory-sink.ts'
import { type RunningProjector, Shop } from './projector-fixture.ts'
import { SERVICE, customers, links, orders, shop } from './shop-system.ts'
import { created, deleted, jsonDecoder, truncated, updated } from './test-lane.ts'

const orderEvents = clickhouseEvents(orders, {
  into: 'order_events',
  structure: new URL('file:///order_events.sql'),
  columns: (c, e) => ({ order_id: c['id']!, kind: e.eventType, amount: c['amount']! }),
})
const linkEvents = clickhouseEvents(links, {
  into: 'link_events',
  structure: new URL('file:///link_events.sql'),
  columns: (c) => ({ link: c['id']!, next: c['next']! }),
})

/** The shop, whose orders and links go to a sink, too; links go nowhere else. */
const sunk: SystemDefinition = {
  ...shop,
  services: {
    [SERVICE]: {
      ...shop.services[SERVICE]!,
      projections: shop.services[SERVICE]!.projections.filter((p) => p.kind !== 'mapping' || p.source !== links),
      sinks: [orderEvents, linkEvents],
    },
  },
}

const ID = '0d6a2b52-9d2c-4bd7-8f0a-0e7a6dd8b4a1'
const customer = created(customers, { id: ID, email: null, name: 'Ada', bio: null, tier: 'basic' })
const order = (id: number, amount: string): Record<string, string | null> => ({
  id: String(id),
  customer_id: ID,
  amount,
  tags: null,
  data: null,
})

function start(service: Shop, sink: MemorySink): RunningProjector {
  return service.start({}, { system: sunk, openSink: () => sink })
}

async function applyAll(service: Shop, sink: MemorySink): Promise<void> {
  const projector = start(service, sink)
  await service.appliedBy(projector)
  await projector.stop()
}

const kinds = (sink: MemorySink, table = 'order_events'): readonly string[] =>
  sink.collapsed(table).map((row) => `${row.op} ${row.values['order_id'] ?? row.values['link'] ?? '-'}`)

afterEach(() => {
  installFaultPoints(null)
})

describe('the rows of a sink', () => {
  test('every event of its table is a row: removals and truncates too, also where nothing else is filled', async () => {
    await using service = await Shop.open()
    const sink = new MemorySink()
    service.lane.commit(customer, created(orders, order(1, '1.00')), created(links, { id: '7', next: null }))
    service.lane.commit(updated(orders, order(1, '2.00')), deleted(orders, { id: '1' }))
    service.lane.commit(truncated(orders), truncated(links))
    await applyAll(service, sink)

    expect(kinds(sink)).toEqual(['c 1', 'u 1', 'd 1', 't -'])
    expect(kinds(sink, 'link_events')).toEqual(['c 7', 't -'])
    expect(sink.collapsed('order_events')[2]!.values).toEqual({ order_id: '1', kind: 'Order.d' })
  })

  test.each(['projector.after-rows', 'projector.after-sink', 'projector.before-commit', 'projector.after-commit'] as const)(
    'killed at %s, nothing is lost, and repeats collapse',
    async (point) => {
      await using service = await Shop.open()
      const sink = new MemorySink()
      installFaultPoints((passed) => {
        if (passed !== point) return
        installFaultPoints(null)
        throw new Error(`killed at ${point}`)
      })
      service.lane.commit(customer, created(orders, order(1, '1.00')), created(orders, order(2, '2.00')))
      await expect(start(service, sink).ended).rejects.toThrow(/killed/)
      // What the service counts as applied is in the sink, wherever it was killed.
      const { length } = await service.rows('SELECT FROM orders')
      expect(sink.collapsed('order_events').length).toBeGreaterThanOrEqual(length)

      service.lane.commit(created(orders, order(3, '3.00')))
      await applyAll(service, sink)
      expect(kinds(sink)).toEqual(['c 1', 'c 2', 'c 3'])
      expect(await service.rows('SELECT id::text FROM orders ORDER BY id')).toEqual([{ id: '1' }, { id: '2' }, { id: '3' }])
    },
  )

  test('a service that is built anew from offset 0 brings the same rows again', async () => {
    await using service = await Shop.open()
    const sink = new MemorySink()
    service.lane.commit(customer, created(orders, order(1, '1.00')))
    service.lane.commit(updated(orders, order(1, '3.00')))
    await applyAll(service, sink)
    const before = sink.collapsed('order_events')
    await service.client.query(
      'TRUNCATE clients, favourites, orders, order_counts, links, processed_events, projector_positions, consumed_offsets, processing_batches CASCADE',
    )
    await applyAll(service, sink)

    expect(sink.written.filter((row) => row.table.name === 'order_events')).toHaveLength(4)
    expect(sink.collapsed('order_events')).toEqual(before)
  })
})

test('while the sink is away nothing is applied and nothing is skipped, and the projector says which it waits for', async () => {
  await using service = await Shop.open()
  const sink = new MemorySink()
  const projector = start(service, sink)
  await projector.until((p) => p.kind === 'active')
  sink.isAway = true
  service.lane.commit(customer, created(orders, order(1, '1.00')))
  const waiting = await projector.until((p) => p.kind === 'retrying')
  expect(waiting).toMatchObject({ error: { number: 'SLU-5101' } })
  expect(await service.rows('SELECT FROM orders')).toEqual([])

  sink.isAway = false
  await service.appliedBy(projector)
  expect(kinds(sink)).toEqual(['c 1'])
  expect(await service.parked()).toEqual([])
})

describe('a row that the sink can not hold', () => {
  test.each(['refuses', 'refusesLate'] as const)(
    'is parked with the later ones of its key; a retry brings them (%s)',
    async (when) => {
      await using service = await Shop.open()
      const sink = new MemorySink()
      sink[when] = (row) => row.values['amount'] === '13.00'
      service.lane.commit(customer, created(orders, order(1, '13.00')), created(orders, order(2, '2.00')))
      service.lane.commit(updated(orders, order(1, '14.00')))
      await applyAll(service, sink)

      expect(kinds(sink)).toEqual(['c 2'])
      expect(await service.rows('SELECT id::text FROM orders')).toEqual([{ id: '2' }])
      const [first, second] = await service.parked()
      expect(first).toMatchObject({ errorCode: 'SLU-5104', projection: 'sink order_events', column: 'amount' })
      expect(second?.waitsFor).toBe(first?.eventId)

      sink[when] = () => false
      const { signal } = new AbortController()
      const work = { system: sunk, service: SERVICE, target: service.target, decoder: jsonDecoder, openSink: () => sink, signal }
      await workOnParked(work, { command: 'retry', selection: {}, requestedBy: 'test', reason: null })
      expect(kinds(sink)).toEqual(['c 1', 'c 2', 'u 1'])
      expect(await service.rows('SELECT amount::text FROM orders ORDER BY id')).toEqual([{ amount: '14.00' }, { amount: '2.00' }])
    },
  )
})
