import { expect, test } from 'vitest'
import { CONNECTION_LIMITS, DATABASE_NAMES } from './service-databases.ts'
import system from './system.ts'

const services = Object.entries(system.services)

test('five services have the tables and databases of the plan', () => {
  const tables = services.map(([name, service]) => [
    name,
    service.projections.map((p) => (p.kind === 'mapping' ? p.target : p.name)),
  ])
  expect(Object.fromEntries(tables)).toEqual({
    samples: ['nanopore_samples', 'nanopore_sample_details', 'nanopore_processing_steps', 'nanopore_attachments'],
    ai: ['ai_processing_jobs', 'ai_extraction_results', 'ai_model_performance'],
    audit: ['audit_logs', 'compliance_reports', 'retention_policies'],
    backup: ['backup_schedules', 'backup_jobs', 'backup_metadata'],
    config: ['application_configs', 'feature_flags', 'config_history'],
  })
  expect(Object.values(DATABASE_NAMES)).toEqual([
    'nanopore_samples',
    'nanopore_ai',
    'nanopore_audit',
    'nanopore_backup',
    'nanopore_config',
  ])
})

test('every table but the users is in exactly one service, with every column', () => {
  const owned = services.flatMap(([, service]) => service.projections.flatMap((p) => (p.kind === 'mapping' ? [p] : [])))
  expect(new Set(owned.map((mapping) => mapping.source.name)).size).toBe(owned.length)
  for (const { source, columns } of owned) expect(Object.keys(columns)).toEqual(source.columnNames)
  const captured = system.monolith.tables.map((table) => table.name)
  expect(captured.filter((name) => !owned.some((mapping) => mapping.source.name === name))).toEqual(['users'])
})

test('each service has the connection limits of the plan', () => {
  expect(CONNECTION_LIMITS).toEqual({
    samples: { max: 20, min: 5 },
    ai: { max: 15, min: 3 },
    audit: { max: 10, min: 2 },
    backup: { max: 5, min: 1 },
    config: { max: 5, min: 1 },
  })
})
