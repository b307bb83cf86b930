/**
 * Decision 0008: sets in waves give the rows that one by one gives. Random histories that a source with the same constraints
 * allows are applied both ways.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Shop } from './projector-fixture.ts'
import { customer, order } from './shop-rows.ts'
import { customers, orders } from './shop-system.ts'
import { type Change, created, deleted, truncated, updated } from './test-lane.ts'

type Row = Record<string, string | null>

/** Few keys and few unique values, so that they meet often. */
const CUSTOMERS = Array.from({ length: 5 }, (_, i) => `00000000-0000-4000-8000-00000000000${i}`)
const EMAILS = ['p', 'q', 'r', 's']
const ORDERS = ['1', '2', '3', '4', '5', '6']

const step = fc.record({
  kind: fc.constantFrom(
    'write',
    'write',
    'write',
    'keep bio',
    'full before',
    'delete',
    'swap',
    'move key',
    'order',
    'order',
    'drop order',
    'truncate orders',
  ),
  customer: fc.constantFrom(...CUSTOMERS),
  other: fc.constantFrom(...CUSTOMERS),
  order: fc.constantFrom(...ORDERS),
  email: fc.option(fc.constantFrom(...EMAILS)),
  tier: fc.constantFrom('basic', 'gold'),
  text: fc.string({ maxLength: 6 }).map((s) => s.replaceAll('\u0000', '')),
  endsCommit: fc.boolean(),
})
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

/** The row as an update leaves out a large value that it did not change. */
function without(column: string, row: Row): Row {
  return Object.fromEntries(Object.entries(row).filter(([name]) => name !== column))
}

/** A source with the service's constraints: gives the changes that it would log. */
class Source {
  readonly customers = new Map<string, Row>()
  readonly orders = new Map<string, Row>()

  take(s: Step): readonly Change[] {
    const existing = this.customers.get(s.customer)
    const email = s.email !== null && this.#isFree(s.email, s.customer) ? s.email : null
    switch (s.kind) {
      case 'write':
        return this.#write(customer(s.customer, { email, name: s.text, bio: s.text, tier: s.tier }), existing)
      case 'keep bio': {
        if (!existing) return []
        const row: Row = { ...existing, email, name: s.text, tier: s.tier }
        // Entering a filtered target needs the whole row: such updates carry it.
        const isComplete = s.tier !== existing['tier']
        this.customers.set(s.customer, row)
        return [updated(customers, isComplete ? row : without('bio', row))]
      }
      case 'full before': {
        if (!existing) return []
        const row: Row = { ...existing, email, name: s.text, tier: s.tier }
        this.customers.set(s.customer, row)
        return [updated(customers, without('bio', row), existing)]
      }
      case 'delete':
        if (!existing || this.#isReferred(s.customer)) return []
        this.customers.delete(s.customer)
        return [deleted(customers, { id: s.customer })]
      case 'swap':
        return this.#swap(s.customer, s.other)
      case 'move key':
        return this.#moveKey(s.customer, s.other)
      case 'order': {
        const row = order(s.order, existing ? s.customer : null, { data: JSON.stringify({ t: s.text }) })
        const before = this.orders.get(s.order)
        this.orders.set(s.order, row)
        return [before ? updated(orders, row) : created(orders, row)]
      }
      case 'drop order':
        if (!this.orders.delete(s.order)) return []
        return [deleted(orders, { id: s.order })]
      case 'truncate orders':
        this.orders.clear()
        return [truncated(orders)]
    }
  }

  #write(row: Row, existing: Row | undefined): readonly Change[] {
    this.customers.set(row['id']!, row)
    return [existing ? updated(customers, row) : created(customers, row)]
  }

  #swap(a: string, b: string): readonly Change[] {
    const [first, second] = [this.customers.get(a), this.customers.get(b)]
    if (!first || !second || a === b) return []
    const steps: Row[] = [
      { ...first, email: null },
      { ...second, email: first['email']! },
      { ...first, email: second['email']! },
    ]
    this.customers.set(b, steps[1]!).set(a, steps[2]!)
    return steps.map((row) => updated(customers, row))
  }

  #moveKey(from: string, to: string): readonly Change[] {
    const row = this.customers.get(from)
    if (!row || this.customers.has(to) || this.#isReferred(from)) return []
    const moved = { ...row, id: to }
    this.customers.delete(from)
    this.customers.set(to, moved)
    return [updated(customers, moved, { id: from })]
  }

  #isFree(email: string, by: string): boolean {
    return ![...this.customers].some(([id, row]) => id !== by && row['email'] === email)
  }

  #isReferred(id: string): boolean {
    return [...this.orders.values()].some((row) => row['customer_id'] === id)
  }
}

function commitsOf(steps: readonly Step[]): readonly (readonly Change[])[] {
  const source = new Source()
  const commits: Change[][] = []
  let open: Change[] = []
  for (const s of steps) {
    open.push(...source.take(s))
    if (s.endsCommit && open.length > 0) commits.push(open.splice(0))
    open = s.endsCommit ? [] : open
  }
  return open.length > 0 ? [...commits, open] : commits
}

test(
  'sets in waves and one by one give the same rows, and park nothing that the source allowed',
  { timeout: 300_000 },
  async () => {
    await using sets = await Shop.open()
    await using single = await Shop.open()
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60, size: 'max' }), async (steps) => {
        const commits = commitsOf(steps)
        if (commits.length === 0) return
        await Promise.all([sets.reset(), single.reset()])
        for (const changes of commits) {
          sets.lane.write(...changes)
          // A publication of its own for every event; with this limit each is a transaction of its own.
          for (const change of changes) single.lane.commit(change)
        }
        sets.lane.publish()
        await Promise.all([sets.applyAll(), single.applyAll({ batchEventsMax: 1 })])
        const tables = ['clients', 'favourites', 'sightings', 'orders', 'parked_events']
        const [a, b] = await Promise.all([sets.contents(tables), single.contents(tables)])
        expect(a['parked_events']).toEqual([])
        for (const table of tables) expect(a[table], table).toEqual(b[table])
      }),
      { numRuns: 40 },
    )
  },
)
