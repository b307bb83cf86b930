import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type CausationNode, type CausedEvent, causationTree } from './causation-tree.ts'

const event = (eventId: string, causationId: string | null): CausedEvent => ({ eventId, causationId })
const shape = (nodes: readonly CausationNode<CausedEvent>[]): unknown => nodes.map((n) => [n.event.eventId, shape(n.children)])

test('events stand under their cause; one whose cause is elsewhere is a root', () => {
  const events = [event('a', null), event('b', 'a'), event('c', 'b'), event('d', 'a'), event('e', 'user-request')]
  expect(shape(causationTree(events))).toEqual([
    [
      'a',
      [
        ['b', [['c', []]]],
        ['d', []],
      ],
    ],
    ['e', []],
  ])
})

test('every event is there once, also where causes form a ring', () => {
  const ids = ['a', 'b', 'c', 'd', 'e']
  const events = fc.uniqueArray(
    fc.record({ eventId: fc.constantFrom(...ids), causationId: fc.option(fc.constantFrom(...ids)) }),
    {
      selector: (e) => e.eventId,
    },
  )
  const flat = (nodes: readonly CausationNode<CausedEvent>[]): string[] =>
    nodes.flatMap((n) => [n.event.eventId, ...flat(n.children)])
  fc.assert(
    fc.property(events, (given) => {
      expect(flat(causationTree(given)).toSorted()).toEqual(given.map((e) => e.eventId).toSorted())
    }),
  )
})
