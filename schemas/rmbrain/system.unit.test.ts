import { type CapturedTable, topicsOf, lanesOf } from '@sluice/system'
import { expect, test } from 'vitest'
import system from './system.ts'

test('nine services have a database; the two that have none are no part of the system', () => {
  expect(Object.keys(system.services)).toEqual([
    'cas_audit',
    'cds_client',
    'cds_document',
    'cds_interaction',
    'cds_product',
    'cds_relationship',
    'cds_riskprofile',
    'rmbrain_mainapp',
    'cds_task',
  ])
})

test('every table of the one database is in exactly one service, with every column', () => {
  const mapped = Object.values(system.services).flatMap((service) =>
    service.projections.map((projection) => (projection.kind === 'mapping' ? projection.source : null)),
  )
  const byName = (tables: readonly (CapturedTable | null)[]): readonly (string | undefined)[] => tables.map((t) => t?.name).sort()
  expect(byName(mapped)).toEqual(byName(system.monolith.tables))
  for (const service of Object.values(system.services)) {
    for (const projection of service.projections) {
      if (projection.kind === 'mapping') expect(Object.keys(projection.columns)).toEqual(projection.source.columnNames)
    }
  }
})

test('each table has a topic of its own', () => {
  const topics = lanesOf(system).flatMap((lane) => topicsOf(lane).map((t) => t.name))
  expect(new Set(topics).size).toBe(system.monolith.tables.length)
})
