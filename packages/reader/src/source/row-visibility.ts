/**
 * Load and backfill read rows with SELECT, and row level security hides rows from it without an error; the stream is not subject to it.
 * A reader whose role does not see every row would lose those that nothing changes.
 */
import { SluiceError } from '@sluice/core'
import { type PostgresTarget, policyFor, tablesHiddenByRowSecurity } from '@sluice/postgres'
import type { CapturedTable } from '@sluice/system'
import type { ClientBase } from 'pg'

/** @throws SluiceError SLU-5004 naming every table of which the role does not see all rows */
export async function assertRowsReadable(
  client: ClientBase,
  source: PostgresTarget,
  tables: readonly CapturedTable[],
): Promise<void> {
  const hidden = await tablesHiddenByRowSecurity(client, tables, ['SELECT'])
  if (hidden.length === 0) return
  const names = hidden.map(({ schema, name }) => `${schema}.${name}`).join(', ')
  throw new SluiceError('ROW_SECURITY_HIDES_ROWS', {
    what: `the reader would not see all rows of ${source.name} (${source.display})`,
    why: `row level security hides rows of ${names} from role "${hidden[0]!.role}"`,
    ways: hidden.slice(0, 3).map((table) => `as the owner: ${policyFor(table)}`),
  })
}
