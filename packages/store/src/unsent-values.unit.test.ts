import type { ClientBase } from 'pg'
import { type EventDraft, type Uuid, epochMicros, laneId, lsnOf } from '@sluice/core'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { AggregateVersions } from './aggregate-versions.ts'
import type { AppendPart } from './event-appender.ts'
import { filledEventData, filledPieces } from './unsent-values.ts'

const TABLE = 'table' as Uuid
const idOf = (key: number): Uuid => `k${key}` as Uuid

interface Change {
  readonly event: EventDraft
  /** Data that the event is stored with. */
  readonly whole: string
}

type Step =
  | { readonly kind: 'insert' | 'delete' | 'update' | 'replace'; readonly key: number }
  | { readonly kind: 'move'; readonly key: number; readonly to: number }
  | { readonly kind: 'truncate' }
  /** A row that has a key without an event: it is not loaded yet. */
  | { readonly kind: 'appear'; readonly key: number }

/** Plays steps on a table of keys and bodies, as PostgreSQL would send them; those that can't be done are left out. */
function changesOf(steps: readonly Step[]): readonly Change[] {
  /** Null where no event told it. */
  const bodies = new Map<number, string | null>()
  const changes: Change[] = []
  const add = (id: Uuid, eventData: string, whole = eventData, update?: EventDraft['update']): void => {
    const event = { aggregateType: 'Row', aggregateId: id, eventData, ...(update ? { update } : {}) }
    changes.push({ event: { ...EMPTY, ...event, ordinal: changes.length }, whole })
  }
  const row = (key: number): string => `"id":"${key}","n":"${changes.length}"`
  for (const [at, step] of steps.entries()) {
    if (step.kind === 'truncate') {
      bodies.clear()
      add(TABLE, '{"op":"t"}')
      continue
    }
    const { key } = step
    const body = bodies.get(key)
    if (step.kind === 'insert') {
      if (body !== undefined) continue
      bodies.set(key, `b${at}`)
      add(idOf(key), `{"op":"c","after":{${row(key)},"body":"b${at}"}}`)
    } else if (step.kind === 'appear') {
      if (body === undefined) bodies.set(key, null)
    } else if (body === undefined) {
      continue
    } else if (step.kind === 'delete') {
      bodies.delete(key)
      add(idOf(key), `{"op":"d","before":{"id":"${key}"}}`)
    } else if (step.kind === 'replace') {
      bodies.set(key, `r${at}`)
      add(idOf(key), `{"op":"u","after":{${row(key)},"body":"r${at}"}}`)
    } else {
      const to = step.kind === 'move' ? step.to : key
      if (to !== key && bodies.has(to)) continue
      bodies.delete(key)
      bodies.set(to, body)
      const before = to === key ? '' : `"before":{"id":"${key}"},`
      const sent = `{"op":"u",${before}"after":{${row(to)}`
      const movedTo = to === key ? null : idOf(to)
      add(idOf(key), `${sent}}}`, `${sent}${body === null ? '' : `,"body":"${body}"`}}}`, {
        unsent: ['body'],
        movedTo,
        tableAggregateId: TABLE,
      })
    }
  }
  return changes
}

const EMPTY: EventDraft = {
  eventId: 'e' as Uuid,
  eventType: 'RowUpdated',
  aggregateType: 'Row',
  aggregateId: TABLE,
  aggregateKey: null,
  eventData: '',
  ordinal: 0,
  correlationId: '',
  causationId: null,
  userId: null,
  traceparent: null,
  migrationId: null,
}

/** Heads and events as the database keeps them, and its answer to the question for values. */
class FakeStore {
  readonly events: string[] = []
  readonly #images = new Map<string, number>()

  get client(): ClientBase {
    const query = ({ values }: { readonly values: readonly string[] }): Promise<unknown> => {
      const [ids, , , numbers] = values.slice(0, 4).map((text) => text.slice(1, -1).split(','))
      const rows = ids!.map((id) => ({ value: this.#bodyOf(id) }))
      // Not all at once: what is over the bound is asked for again.
      return Promise.resolve({ rows: rows.filter((_row, i) => Number(numbers![i]) <= 2) })
    }
    return { query } as unknown as ClientBase
  }

  add(events: readonly EventDraft[], stored: readonly string[]): void {
    const versions = new AggregateVersions()
    for (const event of events) versions.add(event)
    const [ids, , , , images] = versions.parameters()
    const places = images.slice(1, -1).split(',')
    for (const [i, id] of ids.slice(1, -1).split(',').entries()) {
      const place = places[i]!
      if (place !== 'NULL') this.#images.set(id, place === '0' ? 0 : this.events.length + Number(place))
    }
    this.events.push(...stored)
  }

  #bodyOf(id: string): string | null {
    const image = this.#images.get(id) ?? 0
    if (image <= (this.#images.get(TABLE) ?? 0)) return null
    return /"body":("\w+")/.exec(this.events[image - 1]!)?.[1] ?? null
  }
}

const key = fc.integer({ min: 1, max: 6 })
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constantFrom('insert' as const, 'update' as const, 'replace' as const, 'delete' as const), key }),
  fc.record({ kind: fc.constantFrom('update' as const, 'insert' as const), key }),
  fc.record({ kind: fc.constant('appear' as const), key }),
  fc.record({ kind: fc.constant('move' as const), key, to: key }),
  fc.constant({ kind: 'truncate' as const }),
)

test('every update has its row’s own value or none, however the changes are cut into batches, parts and pieces', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 5, maxLength: 100, size: 'max' }),
      fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 3, maxLength: 10 }),
      async (steps, sizes) => {
        const changes = changesOf(steps)
        const store = new FakeStore()
        for (let from = 0, n = 0; from < changes.length; n++) {
          const batch = changes.slice(from, (from += sizes[n % sizes.length]!)).map(({ event }) => event)
          let taken = 0
          for await (const { parts, values } of filledPieces(store.client, laneId(1), partsOf(batch, n))) {
            const events = parts.flatMap((part) => part.events)
            store.add(
              events,
              events.map((event) => filledEventData(event, values)),
            )
            taken += events.length
          }
          expect(taken).toBe(batch.length)
        }
        expect(store.events).toEqual(changes.map(({ whole }) => whole))
      },
    ),
    { numRuns: 500 },
  )
})

/** One commit an event, or one of all that goes on in the next batch. */
function partsOf(events: readonly EventDraft[], n: number): readonly AppendPart[] {
  const commit = { kind: 'commit', commitLsn: lsnOf(BigInt(n)), endLsn: lsnOf(BigInt(n)), committedAt: epochMicros(0n) } as const
  if (n % 2 === 0) return [{ commit, events, isLast: false }]
  return events.map((event) => ({ commit, events: [event], isLast: true }))
}
