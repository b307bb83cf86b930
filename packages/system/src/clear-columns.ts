/** What a service's grants come to: the types that its mappings meet, and the places where it holds values in the clear. */
import type { CapturedTable } from './captured-table.ts'
import type { HeldColumn } from './held-column.ts'
import type { TableMapping } from './projection.ts'
import type { ServiceDefinition } from './system-definition.ts'

/** Granted columns of one table to their placeholders; empty where the service has none. */
export function grantedColumns(service: ServiceDefinition, table: CapturedTable): ReadonlyMap<string, string | null> {
  const grants = (service.decrypt ?? []).filter((grant) => grant.table === table)
  return new Map(grants.flatMap((grant) => Object.entries(grant.columns)))
}

/** A mapping as the service's projector meets its rows: a granted column has the source's type, not that of its captured form. */
export function grantedMapping(service: ServiceDefinition, mapping: TableMapping): TableMapping {
  const granted = grantedColumns(service, mapping.source)
  if (granted.size === 0) return mapping
  const { source } = mapping
  const types = [...granted.keys()].map((name) => [name, source.sourceColumns[name]!] as const)
  return { ...mapping, source: { ...source, columns: { ...source.columns, ...Object.fromEntries(types) } } }
}

/** Where a service holds a granted column in the clear, and by which column the rows of a subject are found there. */
export interface ClearColumn {
  readonly targetSchema: string
  readonly target: string
  readonly column: string
  readonly placeholder: string | null
  /** Target column that holds the subject, in its captured form. */
  readonly subjectColumn: string
  readonly subjectKind: string
}

/** Every granted clear column of a service's tables: what erasing a subject overwrites. */
export function clearColumnsOf(service: ServiceDefinition): readonly ClearColumn[] {
  return service.projections.flatMap((projection) => {
    if (projection.kind === 'handler') return (projection.holds ?? []).flatMap((place) => heldColumn(service, place))
    const { source, targetSchema, target, columns } = projection
    const granted = grantedColumns(service, source)
    return Object.entries(columns).flatMap(([column, from]): ClearColumn[] => {
      const rule = from.kind === 'column' ? source.privacy[from.name] : undefined
      if (from.kind !== 'column' || rule?.kind !== 'encrypt' || !granted.has(from.name)) return []
      const subjectColumn = holderOf(projection, rule.subject)
      if (subjectColumn === null) return []
      const placeholder = granted.get(from.name) ?? null
      return [{ targetSchema, target, column, placeholder, subjectColumn, subjectKind: rule.subjectKind }]
    })
  })
}

function heldColumn(
  service: ServiceDefinition,
  { table, column, targetSchema, target, targetColumn, subjectColumn }: HeldColumn,
): readonly ClearColumn[] {
  const rule = table.privacy[column]
  const placeholder = grantedColumns(service, table).get(column)
  if (rule?.kind !== 'encrypt' || placeholder === undefined) return []
  return [{ targetSchema, target, column: targetColumn, placeholder, subjectColumn, subjectKind: rule.subjectKind }]
}

/** Target column that holds a source column as it is. */
export function holderOf(mapping: TableMapping, column: string): string | null {
  const held = Object.entries(mapping.columns).find(([, from]) => from.kind === 'column' && from.name === column)
  return held?.[0] ?? null
}
