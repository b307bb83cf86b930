/** A state that is made from a snapshot is the state that all events make; and what becomes of snapshots. */
import { type EventDraft, type RowText, type Uuid, aggregateName, formatEventData, tableAggregateName } from '@sluice/core'
import { takeErasures } from '@sluice/privacy'
import { type AggregateKind, type LaneRecord, type SnapshotsTaken, loadAggregate, takeAggregateSnapshots } from '@sluice/store'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type StoreFixture, commitInfo, draft, openStoreFixture } from './store-fixture.ts'

const TABLE = tableAggregateName('public.orders').id
const KIND: AggregateKind = {
  type: 'Order',
  columns: ['id', 'note', 'large'],
  tableAggregateId: TABLE,
  idOf: (row) => idOf(row['id'] ?? ''),
}

function idOf(key: string): Uuid {
  return aggregateName([key]).id
}

let store: StoreFixture
beforeAll(async () => {
  store = await openStoreFixture('aggregate snapshots')
})
afterAll(async () => {
  await store.close()
})

/** A table of the source, and the events that its changes make. */
class Orders {
  readonly rows = new Map<string, RowText>()
  readonly lane: LaneRecord
  readonly pending: Partial<EventDraft>[] = []
  #commits = 0

  constructor(lane: LaneRecord) {
    this.lane = lane
  }

  write(key: string, note: string, large: string): void {
    const row = { id: key, note, large }
    this.#event(key, { op: this.rows.has(key) ? 'u' : 'c', after: row })
    this.rows.set(key, row)
  }

  /** An update that comes without its large value. */
  note(key: string, note: string): void {
    const row = this.rows.get(key)
    if (!row) return
    this.#event(key, { op: 'u', after: { id: key, note } }, { unsent: ['large'], movedTo: null })
    this.rows.set(key, { ...row, note })
  }

  move(key: string, to: string): void {
    const row = this.rows.get(key)
    if (!row || this.rows.has(to)) return
    const after = { ...row, id: to }
    this.#event(key, { op: 'u', before: { id: key }, after }, { unsent: [], movedTo: idOf(to) })
    this.rows.delete(key)
    this.rows.set(to, after)
  }

  remove(key: string): void {
    if (this.rows.delete(key)) this.#event(key, { op: 'd', before: { id: key } })
  }

  truncate(): void {
    this.pending.push({ aggregateId: TABLE, aggregateKey: null, eventData: formatEventData({ op: 't' }) })
    this.rows.clear()
  }

  /** Stores what was done since, as one commit. */
  async commit(): Promise<void> {
    if (this.pending.length === 0) return
    this.#commits += 1
    const events = this.pending.splice(0).map((changes, ordinal) => draft(this.lane, this.#commits, ordinal, changes))
    const appender = await store.appender(this.lane)
    await appender.append([{ commit: commitInfo(this.#commits), events, isLast: true }])
    await appender.close()
  }

  #event(
    key: string,
    data: Parameters<typeof formatEventData>[0],
    update?: { readonly unsent: readonly string[]; readonly movedTo: Uuid | null },
  ): void {
    const { id, key: aggregateKey } = aggregateName([key])
    const facts = update ? { update: { ...update, tableAggregateId: TABLE } } : {}
    this.pending.push({ aggregateId: id, aggregateKey, eventData: formatEventData(data), ...facts })
  }
}

/** Each test has the table for itself: aggregates of one type are one lane's. */
async function newOrders(): Promise<Orders> {
  await store.client.query('TRUNCATE aggregate_heads, event_snapshots')
  return new Orders(await store.lane())
}

async function take({ lane }: Orders, every = 1): Promise<SnapshotsTaken> {
  return takeAggregateSnapshots(store.client, { lane: lane.lane, kinds: [KIND], every })
}

const KEYS = ['1', '2', '3']
const step = fc.record({
  kind: fc.constantFrom('write', 'write', 'write', 'note', 'note', 'move', 'remove', 'truncate', 'snapshot', 'commit'),
  key: fc.constantFrom(...KEYS),
  to: fc.constantFrom(...KEYS),
  text: fc.string({ maxLength: 4 }).map((text) => text.replaceAll('\0', '')),
  every: fc.integer({ min: 1, max: 3 }),
})

test('whatever happened to a row, a snapshot and what came after it make the state that all events make', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 25 }), async (steps) => {
      const orders = await newOrders()
      for (const { kind, key, to, text, every } of steps) {
        if (kind === 'write') orders.write(key, text, `large ${text}`)
        else if (kind === 'note') orders.note(key, text)
        else if (kind === 'move') orders.move(key, to)
        else if (kind === 'remove') orders.remove(key)
        else if (kind === 'truncate') orders.truncate()
        else await orders.commit()
        if (kind === 'snapshot') await take(orders, every)
      }
      await orders.commit()
      for (const key of KEYS) {
        const asked = { lane: orders.lane.lane, kind: KIND, id: idOf(key) }
        const fast = await loadAggregate(store.client, asked)
        const slow = await loadAggregate(store.client, { ...asked, isFromFirstEvent: true })
        expect(slow.row).toEqual(orders.rows.get(key) ?? null)
        expect({ row: fast.row, version: fast.version }).toEqual({ row: slow.row, version: slow.version })
      }
    }),
    { numRuns: 15 },
  )
})

test('a snapshot says where it stands, and with nothing after it no event is read', async () => {
  const orders = await newOrders()
  for (let n = 0; n < 5; n++) orders.write('1', `note ${n}`, 'large')
  await orders.commit()
  expect(await take(orders, 5)).toEqual({ taken: 1, incomplete: 0, removed: 0 })
  expect(await take(orders, 5)).toMatchObject({ taken: 0 })
  const { position, link, head } = await store.reload(orders.lane)
  const { rows } = await store.client.query('SELECT snapshot_version, position, link, head FROM event_snapshots')
  expect(rows).toEqual([{ snapshot_version: 5, position: String(position), link: String(link), head }])
  const asked = { lane: orders.lane.lane, kind: KIND, id: idOf('1') }
  expect(await loadAggregate(store.client, asked)).toMatchObject({ version: 5, events: 0, snapshot: { version: 5 } })
  orders.note('1', 'after')
  await orders.commit()
  expect(await loadAggregate(store.client, asked)).toMatchObject({
    version: 6,
    events: 1,
    row: { note: 'after', large: 'large' },
  })
})

test('older snapshots go with a newer one, and those of a row with the row', async () => {
  const orders = await newOrders()
  orders.write('1', 'a', 'large')
  orders.write('2', 'a', 'large')
  await orders.commit()
  await take(orders)
  orders.note('1', 'b')
  orders.remove('2')
  await orders.commit()
  expect(await take(orders)).toEqual({ taken: 1, incomplete: 0, removed: 2 })
  expect(await store.count('event_snapshots')).toBe(1)
})

test('an image that lacks a captured column is no snapshot, and is counted', async () => {
  const orders = await newOrders()
  orders.write('1', 'a', 'large')
  await orders.commit()
  const wider = { ...KIND, columns: [...KIND.columns, 'new_column'] }
  const run = { lane: orders.lane.lane, kinds: [wider], every: 1 }
  expect(await takeAggregateSnapshots(store.client, run)).toEqual({ taken: 0, incomplete: 1, removed: 0 })
})

test('captured forms stay as they are, and an erasure takes the subject and nobody else', async () => {
  const [ann, bob] = ['a'.repeat(32), 'b'.repeat(32)]
  const orders = await newOrders()
  orders.write('1', `sluice:sealed:1:${ann}:AAAA`, 'large')
  orders.write('2', `sluice:sealed:1:${bob}:BBBB`, 'large')
  await orders.commit()
  await take(orders)
  const asked = { lane: orders.lane.lane, kind: KIND, id: idOf('1') }
  expect(await loadAggregate(store.client, asked)).toMatchObject({ row: { note: `sluice:sealed:1:${ann}:AAAA` }, events: 0 })
  await takeErasures(store.client, 'shop', new Set([ann]), 'test')
  const left = await store.client.query('SELECT subject_ids FROM event_snapshots')
  expect(left.rows).toEqual([{ subject_ids: [bob] }])
  expect(await take(orders)).toMatchObject({ taken: 0 })
})
