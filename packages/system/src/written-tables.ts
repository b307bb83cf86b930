/** What a service's projections write. */
import type { ServiceDefinition } from './system-definition.ts'

/** Targets of mappings, tables of handlers' expectations, and where handlers keep granted columns; each once. */
export function writtenTables({
  projections,
}: Pick<ServiceDefinition, 'projections'>): readonly { readonly schema: string; readonly name: string }[] {
  const tables = projections.flatMap((p) =>
    p.kind === 'mapping'
      ? [{ schema: p.targetSchema, name: p.target }]
      : [...p.expectations, ...(p.holds ?? [])].map((e) => ({ schema: e.targetSchema, name: e.target })),
  )
  return [...new Map(tables.map((table) => [`${table.schema}.${table.name}`, table])).values()]
}
