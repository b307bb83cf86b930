import { expect, test } from 'vitest'
import { ownTablesOf } from './application-tables.ts'
import { topic } from './topic.ts'

test("a service's own table means the same with and without its schema", () => {
  expect([...ownTablesOf({ ownTables: ['access_audit'] })]).toEqual(['public.access_audit'])
  expect([...ownTablesOf({ ownTables: ['public.access_audit', 'private.sessions'] })]).toEqual([
    'public.access_audit',
    'private.sessions',
  ])
})

test('an outbox is filled by the service, under the name that it has', () => {
  expect([...ownTablesOf({ outbox: { topic: topic('shop.events') } })]).toEqual(['public.outbox'])
  const outbox = { schema: 'events', table: 'sent', topic: topic('shop.events') }
  expect([...ownTablesOf({ ownTables: ['notes'], outbox })]).toEqual(['public.notes', 'events.sent'])
})
