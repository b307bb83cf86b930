/**
 * A service that is declared independent has its events in order within a key only. A constraint that reaches over keys would then
 * refuse what was legal in the source: a child before its parent, a unique value that its former holder has not given up yet.
 */
import { SluiceError } from '@sluice/core'
import type { TableMapping } from '@sluice/system'
import { type TargetCatalog, targetName } from './target-catalog.ts'
import { reachesOverKeys } from './unique-indexes.ts'

/** @throws SluiceError SLU-5003 naming every such constraint between the tables that projections write. */
export function assertIndependent(service: string, mappings: readonly TableMapping[], catalog: TargetCatalog): void {
  const keys = new Map(mappings.map((m) => [targetName(m), m.targetKey]))
  const references = catalog.foreignKeys.map((k) => `foreign key ${k.constraint} of ${k.child} refers to ${k.parent}`)
  const unique = catalog.uniqueIndexes
    .filter((index) => reachesOverKeys(index, keys.get(index.table) ?? []))
    .map((index) => `${index.isExclusion ? 'exclusion' : 'unique'} index ${index.name} of ${index.table} reaches over keys`)
  const problems = [...references, ...unique]
  if (problems.length === 0) return
  throw new SluiceError('SERVICE_NOT_INDEPENDENT', {
    what: `service "${service}" can not be worked on by several projectors`,
    why: `it is declared independent, but ${problems.join('; ')}`,
    ways: [
      `remove independent: true from services.${service} of the system definition`,
      'or drop these constraints in a migration of the service, if the monolith is what keeps them',
    ],
  })
}
