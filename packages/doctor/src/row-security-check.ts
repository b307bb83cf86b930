/** Whether row level security keeps rows from the role that is to read or write them all. */
import type { HealthCheck } from '@sluice/core'
import { type RowCommand, policyFor, tablesHiddenByRowSecurity } from '@sluice/postgres'
import { type SystemDefinition, writtenTables } from '@sluice/system'
import type { ClientBase } from 'pg'
import { failed, ok } from './finding.ts'

/** Of what the service's projector writes. */
export async function checkServiceRows(
  prefix: string,
  client: ClientBase,
  system: SystemDefinition,
  service: string,
): Promise<readonly HealthCheck[]> {
  const definition = system.services[service]
  const tables = definition ? writtenTables(definition) : []
  return checkRows(`${prefix}.row_security`, client, tables, ['SELECT', 'INSERT', 'UPDATE', 'DELETE'])
}

export async function checkRows(
  name: string,
  client: ClientBase,
  tables: readonly { readonly schema: string; readonly name: string }[],
  commands: readonly RowCommand[],
): Promise<readonly HealthCheck[]> {
  const hidden = await tablesHiddenByRowSecurity(client, tables, commands)
  if (hidden.length === 0) return [ok(name, 'no row is hidden from the role')]
  const list = hidden.map((t) => `${t.schema}.${t.name} (${t.commands.join(', ')})`).join(', ')
  return [
    failed(name, {
      summary: `row level security keeps rows from role "${hidden[0]!.role}" in ${list}`,
      fix: hidden.map(policyFor),
      code: 'SLU-5004',
    }),
  ]
}
