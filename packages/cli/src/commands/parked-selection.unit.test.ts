import { aggregateName } from '@sluice/core'
import { expect, test } from 'vitest'
import { selectionOf } from './parked-selection.ts'

const ID = '6f1f3e0a-6c0f-4d0b-9c53-1d2a4f0b7c11'

test('a key is aggregate type and key: the id where that is a uuid, else the text that the id was made of', () => {
  expect(selectionOf(undefined, { key: 'Order/4711' })).toEqual({ aggregate: { type: 'Order', id: aggregateName(['4711']).id } })
  expect(selectionOf(undefined, { key: `Order/${ID}` })).toEqual({ aggregate: { type: 'Order', id: ID } })
  const ofTwoColumns = { type: 'Line', id: aggregateName(['20', '2']).id }
  expect(selectionOf(undefined, { key: `Line/${aggregateName(['20', '2']).key ?? ''}` })).toEqual({ aggregate: ofTwoColumns })
  expect(selectionOf(undefined, { key: 'Path/a/b' })).toEqual({ aggregate: { type: 'Path', id: aggregateName(['a/b']).id } })
})

test('all that is given is selected by, and what is not given is left out', () => {
  expect(selectionOf(ID.toUpperCase(), { topic: 'bookshop.orders', error: '23514' })).toEqual({
    eventId: ID,
    topic: 'bookshop.orders',
    error: '23514',
  })
  expect(selectionOf(undefined, {})).toEqual({})
})

test.each(['Order', '/4711', 'Order/', ''])('"%s" is no key', (key) => {
  expect(() => selectionOf(undefined, { key })).toThrow(expect.objectContaining({ number: 'SLU-1001' }) as Error)
})
