/** Row level security that keeps rows from the role of a comparison: what it does not see would be neither missing nor different. */
import { type HiddenTable, policyFor, tablesHiddenByRowSecurity } from '@sluice/postgres'
import { type SystemDefinition, writtenTables } from '@sluice/system'
import { MONOLITH } from './point-scope.ts'
import type { SnapshotSession } from './snapshot-session.ts'

interface TableName {
  readonly schema: string
  readonly name: string
}

/** Why what these tables hold can not be compared, or null where the session sees all of their rows. */
export async function whyHidden(session: Pick<SnapshotSession, 'client'>, tables: readonly TableName[]): Promise<string | null> {
  const hidden = await tablesHiddenByRowSecurity(session.client, tables, ['SELECT'])
  return hidden.length === 0 ? null : reasonOf(hidden)
}

/**
 * What expectations of a source may read: the captured tables of the monolith, or what the projections of a service fill. A query can
 * read any of them, so one that is hidden makes all that is expected of the source unverifiable.
 */
export function sourceTables(system: SystemDefinition, source: string): readonly TableName[] {
  if (source === MONOLITH) return system.monolith.tables
  const service = system.services[source]
  return service ? writtenTables(service) : []
}

function reasonOf(hidden: readonly HiddenTable[]): string {
  const tables = hidden.map(({ schema, name }) => `${schema}.${name}`).join(', ')
  return `row level security hides rows of ${tables} from role "${hidden[0]!.role}"; as the owner: ${hidden.slice(0, 3).map(policyFor).join(' ')}`
}
