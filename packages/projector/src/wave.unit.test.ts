import { epochMicros, laneId, offsetOf } from '@sluice/core'
import { type EventHandler, type ProjectedEvent, handler, table, text, topic } from '@sluice/system'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { BatchEvent } from './batch.ts'
import type { TableRoute, TargetPlan } from './projection-plan.ts'
import { planWaves } from './wave.ts'

const source = table('t', { aggregate: 'T', key: ['k'], topic: topic('t'), columns: { k: text(), v: text(), w: text() } })
const target = { name: 'public.t' } as TargetPlan
const route = (handlers: readonly EventHandler[] = []): TableRoute => ({
  source,
  isOrderedByKeyOnly: false,
  targets: [target],
  uniqueColumns: ['w'],
  handlers,
})
const plain = route()

let position = 0n
function event(op: ProjectedEvent['op'], key: string, more: Partial<ProjectedEvent> = {}, table: TableRoute = plain): BatchEvent {
  position += 1n
  return {
    event: {
      eventId: `e${position}`,
      eventType: 'x',
      aggregateType: 'T',
      aggregateId: key,
      aggregateKey: null,
      version: 1,
      lane: laneId(1),
      position,
      commitLsn: '0/1',
      committedAtMicros: epochMicros(0n),
      context: {},
      migrationId: null,
      op,
      before: op === 'd' ? { k: key } : null,
      after: op === 'c' || op === 'u' ? { k: key, v: '1', w: '1' } : null,
      payload: null,
      ...more,
    },
    route: { kind: 'table', table },
    place: { topic: 't', partition: 0, offset: offsetOf(0) },
    message: Buffer.alloc(0),
  }
}
const kinds = (items: readonly BatchEvent[]): string[] => planWaves(items).map((w) => `${w.kind} ${w.events.length}`)

test('W1: changes of one key merge, newer available columns over older', () => {
  const [wave] = planWaves([event('c', 'a'), event('u', 'a', { after: { k: 'a', v: '2' } })])
  expect(wave?.kind === 'set' && wave.changes.get(plain)?.writes.get('a')?.row).toEqual({ k: 'a', v: '2', w: '1' })
})

test('W1: a delete ends its key, not the others', () => {
  expect(kinds([event('c', 'a'), event('d', 'a'), event('u', 'b')])).toEqual(['set 3'])
  expect(kinds([event('d', 'a'), event('c', 'a'), event('u', 'b')])).toEqual(['set 1', 'set 2'])
})

test('W1: another value of a unique column opens the next wave, so that rows may exchange theirs', () => {
  const set = (key: string, w: string): BatchEvent => event('u', key, { after: { k: key, v: '2', w } })
  expect(kinds([set('a', 'aside'), set('b', 'a'), set('a', 'b'), set('c', 'c')])).toEqual(['set 2', 'set 2'])
  expect(kinds([set('a', 'a'), set('a', 'a'), event('u', 'a', { after: { k: 'a', v: '3' } }), event('d', 'a')])).toEqual([
    'set 4',
  ])
})

test('W2: a changed key, a handler and a truncate stand alone', () => {
  const handled = route([handler('h', { apply: () => Promise.resolve() })])
  const moved = event('u', 'b', { before: { k: 'a' } })
  expect(kinds([event('c', 'x'), moved, event('c', 'y')])).toEqual(['set 1', 'key change 1', 'set 1'])
  expect(kinds([event('c', 'x'), event('c', 'h', {}, handled), event('c', 'y')])).toEqual(['set 1', 'handlers 1', 'set 1'])
  expect(kinds([event('c', 'x'), event('t', 't'), event('t', 't'), event('c', 'y')])).toEqual(['set 1', 'truncate 2', 'set 1'])
  expect(kinds([event('t', 't'), event('t', 't', { commitLsn: '0/2' })])).toEqual(['truncate 1', 'truncate 1'])
})

test('an old row with the same key is no changed key: it fills what is unavailable', () => {
  const [wave] = planWaves([event('u', 'a', { before: { k: 'a', v: '1', w: 'old' }, after: { k: 'a', v: '2' } })])
  expect(wave?.kind === 'set' && wave.changes.get(plain)?.writes.get('a')?.row).toEqual({ k: 'a', v: '2', w: 'old' })
})

test('W3: the waves hold every event once, in order', () => {
  const item = fc.tuple(fc.constantFrom('c', 'u', 'd', 't', 'move'), fc.constantFrom('a', 'b', 'c'))
  fc.assert(
    fc.property(fc.array(item), (items) => {
      const events = items.map(([op, key]) => (op === 'move' ? event('u', key, { before: { k: 'z' } }) : event(op as 'c', key)))
      expect(planWaves(events).flatMap((w) => w.events)).toEqual(events)
    }),
  )
})
