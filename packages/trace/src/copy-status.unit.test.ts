import { defineSystem, integer, mapTable, table, topic } from '@sluice/system'
import { expect, test } from 'vitest'
import { copyStatus } from './copy-status.ts'

const none = new URL('file:///none/')
const users = table('users', { columns: { id: integer() }, key: ['id'], aggregate: 'User', topic: topic('copied.users') })
const system = defineSystem({
  name: 'copied',
  avroSchemas: none,
  monolith: { tables: [users] },
  services: {
    auth: { migrations: none, projections: [mapTable(users, { into: 'users' })] },
    council: { migrations: none, projections: [mapTable(users, { into: 'people', schema: 'others', copyOf: 'auth' })] },
  },
})
const error = { code: 'SLU-2001', name: 'POSTGRES_UNREACHABLE', what: 'w', why: 'y', ways: [] }
const lane = { lane: 'monolith', position: 5n, updatedAt: null, lagEvents: 7n, lagSeconds: 1.5 }
const projector = { value: { lanes: [lane], parked: 0, isHeld: false, members: 0 }, error: null }

test('a copy is told with its owner, and is as old as what its service has not applied', () => {
  expect(
    copyStatus(system, [
      { service: 'auth', projector },
      { service: 'council', projector },
    ]),
  ).toEqual([{ service: 'council', table: 'others.people', owner: 'auth', lagEvents: 7n, lagSeconds: 1.5 }])
})

test('how old a copy is can not be told while its service does not answer', () => {
  expect(copyStatus(system, [{ service: 'council', projector: { value: null, error } }])).toEqual([
    { service: 'council', table: 'others.people', owner: 'auth', lagEvents: null, lagSeconds: null },
  ])
})
