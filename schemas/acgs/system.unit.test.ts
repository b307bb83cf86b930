import { topicsOf, lanesOf } from '@sluice/system'
import { expect, test } from 'vitest'
import { type ServiceName, databases } from './databases.ts'
import system from './system.ts'

/** "Service Database Dependencies", word for word: tables, and references to those of others. */
const DEPENDENCIES: Readonly<
  Record<ServiceName, { readonly tables: readonly string[]; readonly references: readonly string[] }>
> = {
  auth_service: { tables: ['users', 'roles', 'permissions', 'sessions', 'tokens'], references: ['audit_logs'] },
  constitutional_ai: {
    tables: ['principles', 'validations', 'compliance_checks'],
    references: ['audit_logs', 'user_sessions'],
  },
  integrity_service: { tables: ['audit_logs', 'integrity_checks', 'hash_chains'], references: ['users', 'sessions'] },
  formal_verification: { tables: ['verification_rules', 'proof_results', 'z3_models'], references: ['audit_logs'] },
  governance_synthesis: {
    tables: ['policies', 'synthesis_results', 'llm_interactions'],
    references: ['users', 'audit_logs'],
  },
  policy_governance: { tables: ['governance_rules', 'enforcement_logs', 'opa_policies'], references: ['users', 'policies'] },
  executive_council: { tables: ['council_members', 'decisions', 'voting_records'], references: ['users', 'policies'] },
  dgm_service: { tables: ['improvements', 'evolution_logs', 'self_modifications'], references: ['audit_logs', 'users'] },
}

/** Targets of a service: its own, or the copies of what others own. */
function targetsOf(service: ServiceName, isCopy: boolean): readonly string[] {
  return system.services[service].projections.flatMap((p) =>
    p.kind === 'mapping' && (p.copyOf !== null) === isCopy ? [p.target] : [],
  )
}

test('eight services share the database, each with the tables of the document', () => {
  expect(Object.keys(system.services)).toEqual(Object.keys(DEPENDENCIES))
  for (const [service, { tables }] of Object.entries(DEPENDENCIES)) {
    expect(targetsOf(service as ServiceName, false)).toEqual(tables)
  }
})

test('what a service refers to in another is a read-only copy beside its tables', () => {
  for (const [service, { references }] of Object.entries(DEPENDENCIES)) {
    expect(targetsOf(service as ServiceName, true)).toEqual(references)
  }
})

test('every table of the shared database has exactly one owner, which has every column', () => {
  const owned = Object.values(system.services).flatMap((service) =>
    service.projections.flatMap((p) => (p.kind === 'mapping' && p.copyOf === null ? [p] : [])),
  )
  expect(owned.map((p) => p.source.name).sort()).toEqual(system.monolith.tables.map((t) => t.name).sort())
  for (const mapping of owned) expect(Object.keys(mapping.columns)).toEqual(mapping.source.columnNames)
})

test('the tables of the shared database are prefixed with their service', () => {
  const prefixes = Object.values(databases).map((database) => database.replace(/db$/, ''))
  expect(system.monolith.tables.filter((t) => !prefixes.some((prefix) => t.name.startsWith(prefix)))).toEqual([])
})

test('no password and no token is in a copy', () => {
  const copied = Object.values(system.services).flatMap((service) =>
    service.projections.flatMap((p) => (p.kind === 'mapping' && p.copyOf !== null ? Object.keys(p.columns) : [])),
  )
  expect(copied).not.toEqual([])
  expect(copied.filter((column) => /password|token|email/.test(column))).toEqual([])
})

test('each table has a topic of its own', () => {
  const topics = lanesOf(system).flatMap((lane) => topicsOf(lane).map((t) => t.name))
  expect(new Set(topics).size).toBe(system.monolith.tables.length)
})
