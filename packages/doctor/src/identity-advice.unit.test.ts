import {
  type CapturedTable,
  type Projection,
  type SystemDefinition,
  defineSystem,
  handler,
  mapTable,
  mask,
  sql,
  table,
  text,
  topic,
  uuid,
} from '@sluice/system'
import { expect, test } from 'vitest'
import { identityReason } from './identity-advice.ts'

const nowhere = new URL('./', import.meta.url)
const columns = { id: uuid(), title: text(), body: text() }
const notes = table('notes', { columns, key: ['id'], aggregate: 'Note', topic: topic('notes') })
const letters = table('letters', {
  columns,
  key: ['id'],
  aggregate: 'Letter',
  topic: topic('letters'),
  privacy: { body: mask('-') },
})

function systemOf(captured: CapturedTable, ...projections: readonly Projection[]): SystemDefinition {
  const services = { shop: { migrations: nowhere, projections } }
  return defineSystem({ name: 'advice', avroSchemas: nowhere, monolith: { tables: [captured] }, services })
}

const LARGE = { toastable: new Set(['title', 'body']), hasLargeValues: true }
const copied = (captured: CapturedTable): Projection => mapTable(captured, { into: 'copies' })
const archive = handler('archive', {
  tables: [notes],
  expectations: [
    { targetSchema: 'public', target: 'archived', key: ['id'], columns: ['id'], query: 'SELECT id FROM public.notes' },
  ],
  apply: () => Promise.resolve(),
})

test('a column that is computed of a large value and another speaks for whole rows, large values now or not', () => {
  const mapping = mapTable(notes, { into: 'copies', columns: (c) => ({ id: c.id, all: sql`${c.title} || ${c.body}` }) })
  const reason = identityReason(systemOf(notes, mapping), notes, { ...LARGE, hasLargeValues: false })
  expect(reason?.summary).toBe('shop: notes->copies computes a column from a large value and another one')
})

test('a private large value, and a handler that may meet one as unavailable, speak for whole rows where there are any', () => {
  expect(identityReason(systemOf(letters, copied(letters)), letters, LARGE)?.summary).toBe(
    'private columns may hold large values: body',
  )
  expect(identityReason(systemOf(notes, archive), notes, LARGE)?.summary).toBe(
    'shop: archive may meet large values as unavailable',
  )
  expect(identityReason(systemOf(notes, archive), notes, { ...LARGE, hasLargeValues: false })).toBeNull()
})

test('columns that are mapped as they are need nothing: what is not sent stays as it is', () => {
  expect(identityReason(systemOf(notes, copied(notes)), notes, LARGE)).toBeNull()
})
