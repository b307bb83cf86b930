/** One row for a table of the monolith. */
import type { SampleRow } from '@sluice/workload'
import type { ClientBase } from 'pg'

export async function insertRow(client: ClientBase, table: string, row: SampleRow): Promise<void> {
  const columns = Object.keys(row)
  await client.query(
    `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map((_, i) => `$${i + 1}`).join(', ')})`,
    Object.values(row),
  )
}
