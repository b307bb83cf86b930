/**
 * The projector's role must get at every row of what it writes: row level security would hide rows from its updates and deletes, and
 * nothing would say so.
 */
import { SluiceError } from '@sluice/core'
import { policyFor, tablesHiddenByRowSecurity } from '@sluice/postgres'
import { type ServiceDefinition, writtenTables } from '@sluice/system'
import type { ClientBase } from 'pg'

/** @throws SluiceError SLU-5004 naming every table in which it does not */
export async function assertRowsVisible(client: ClientBase, service: string, definition: ServiceDefinition): Promise<void> {
  const hidden = await tablesHiddenByRowSecurity(client, writtenTables(definition), ['SELECT', 'INSERT', 'UPDATE', 'DELETE'])
  if (hidden.length === 0) return
  const tables = hidden.map(({ schema, name, commands }) => `${schema}.${name} (${commands.join(', ')})`)
  throw new SluiceError('ROW_SECURITY_HIDES_ROWS', {
    what: `the projector of service "${service}" would not see all rows of its tables`,
    why: `role "${hidden[0]!.role}" passes row level security by no policy that is true for every row in ${tables.join(', ')}`,
    ways: [
      ...hidden.slice(0, 3).map(policyFor),
      "or log in as a member of the role that the service's migrations made such policies for",
    ],
  })
}
