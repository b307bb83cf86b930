/** How many rows each table of a database has, counted there. */
import { quoteQualified } from '@sluice/core'
import { type PostgresTarget, connect } from '@sluice/postgres'
import { APPLICATION_TABLES } from '@sluice/system'

/** Rows by table, such as `public.clients`. */
export type TableRows = Readonly<Record<string, number>>

/** @param left Tables, with their schema, that may well be empty: the service fills them by itself. */
export async function countTableRows(target: PostgresTarget, left: ReadonlySet<string>): Promise<TableRows> {
  const client = await connect(target, { applicationName: 'sluice demo', statementTimeoutMs: 120_000 })
  try {
    const { rows: tables } = await client.query<{ schema: string; name: string }>(
      `SELECT schema, name FROM (${APPLICATION_TABLES}) AS t ORDER BY 1, 2`,
    )
    const counts: Record<string, number> = {}
    for (const { schema, name } of tables) {
      const table = `${schema}.${name}`
      if (left.has(table)) continue
      const { rows } = await client.query<{ n: string }>(`SELECT count(*) AS n FROM ${quoteQualified(schema, name)}`)
      counts[table] = Number(rows[0]!.n)
    }
    return counts
  } finally {
    await client.end()
  }
}
