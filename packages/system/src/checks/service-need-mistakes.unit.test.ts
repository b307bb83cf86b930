import { expect, test } from 'vitest'
import { mapTable } from '../projection.ts'
import { type ServiceDefinition, integer, table, topic } from '../index.ts'
import { serviceNeedMistakes } from './service-need-mistakes.ts'

const notes = table('notes', { columns: { id: integer() }, key: ['id'], aggregate: 'Note', topic: topic('notes') })

function mistakesOf(needs: Partial<ServiceDefinition>, other: Partial<ServiceDefinition> = {}): readonly string[] {
  const url = new URL('file:///none/')
  const service = (own: Partial<ServiceDefinition>): ServiceDefinition => ({
    migrations: url,
    projections: [mapTable(notes, { into: 'notes' })],
    ...own,
  })
  const services = { crm: service(needs), billing: service(other) }
  const system = { name: 'shop', avroSchemas: url, monolith: { tables: [notes] }, services }
  return serviceNeedMistakes(system, 'crm').map(({ place, problem }) => `${place}: ${problem}`)
}

test('a database of two services is a mistake: each has its own', () => {
  expect(mistakesOf({ database: 'crm_db' }, { database: 'billing_db' })).toEqual([])
  expect(mistakesOf({ database: 'crm_db' }, { database: 'crm_db' })).toEqual([
    'services.crm.database: "crm_db" is the database of service billing, too',
  ])
})

test('extensions, roles and own tables with proper names are no mistake', () => {
  expect(
    mistakesOf({
      extensions: ['vector'],
      roles: { projector: 'crm_projector', verifier: 'crm_verifier', others: ['crm_app'] },
      ownTables: ['access_audit', 'private.sessions'],
    }),
  ).toEqual([])
})

test('one role for two things is a mistake: neither would have the least rights', () => {
  expect(mistakesOf({ roles: { projector: 'crm', verifier: 'crm' } })).toEqual(['services.crm.roles: role "crm" is named twice'])
})

test('a table that a projection or Sluice fills can not be called own, which would keep it from being verified', () => {
  expect(mistakesOf({ ownTables: ['notes', 'public.processed_events'], extensions: [''] })).toEqual([
    'services.crm.extensions[0]: a name is empty',
    'services.crm.ownTables[0]: "notes" is filled by a projection, so it is verified',
    'services.crm.ownTables[1]: "public.processed_events" is a table of Sluice',
  ])
})
