/** Checks what a service needs beside its projections: a database, extensions, roles, and the tables that it fills by itself. */
import { withSchema } from '../application-tables.ts'
import type { SystemDefinition } from '../system-definition.ts'
import { writtenTables } from '../written-tables.ts'
import { type Mistake, identifierMistakes, repeated } from './mistake.ts'
import { PROJECTOR_TABLES } from './projector-tables.ts'

export function serviceNeedMistakes(system: SystemDefinition, serviceName: string): readonly Mistake[] {
  const service = system.services[serviceName]
  if (!service) return []
  const { database, extensions = [], roles, ownTables = [] } = service
  const place = `services.${serviceName}`
  const named = roles ? [roles.projector, roles.verifier, ...(roles.others ?? [])] : []
  return [
    ...(database === undefined ? [] : databaseMistakes(system, serviceName, database)),
    ...extensions.flatMap((name, i) => identifierMistakes(`${place}.extensions[${i}]`, name)),
    ...named.flatMap((name) => identifierMistakes(`${place}.roles`, name)),
    ...repeated(named, (name) => name).map(({ item }) => ({ place: `${place}.roles`, problem: `role "${item}" is named twice` })),
    ...ownTables.flatMap((name, i) => ownTableMistakes(system, serviceName, name, `${place}.ownTables[${i}]`)),
  ]
}

function databaseMistakes({ services }: SystemDefinition, serviceName: string, database: string): readonly Mistake[] {
  const place = `services.${serviceName}.database`
  const [other] = Object.entries(services).find(([name, s]) => name !== serviceName && s.database === database) ?? []
  return [
    ...identifierMistakes(place, database),
    ...(other === undefined ? [] : [{ place, problem: `"${database}" is the database of service ${other}, too` }]),
  ]
}

/** What a projection fills, or Sluice itself, is not the service's own: calling it so would keep it from being verified. */
function ownTableMistakes(system: SystemDefinition, serviceName: string, name: string, place: string): readonly Mistake[] {
  const table = withSchema(name)
  const service = system.services[serviceName]
  const targets = service ? writtenTables(service).map((t) => `${t.schema}.${t.name}`) : []
  if (targets.includes(table)) return [{ place, problem: `"${name}" is filled by a projection, so it is verified` }]
  if (table.startsWith('public.') && PROJECTOR_TABLES.has(table.slice('public.'.length))) {
    return [{ place, problem: `"${name}" is a table of Sluice` }]
  }
  return identifierMistakes(place, table.slice(table.indexOf('.') + 1))
}
