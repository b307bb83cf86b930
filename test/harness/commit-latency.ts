/** Delay between the commit of a row in the monolith and in a service, from `pg_xact_commit_timestamp` of both servers. */
import type { Client } from 'pg'

interface RowRange {
  readonly table: string
  readonly key: string
  /** Rows with a key above this. */
  readonly above: string
}

/** Milliseconds for each row, ascending. */
export async function commitTimes(monolith: Client, service: Client, range: RowRange): Promise<readonly number[]> {
  const source = await committedAt(monolith, range)
  const target = await committedAt(service, range)
  const delays: number[] = []
  for (const [key, at] of source) {
    const arrived = target.get(key)
    if (arrived !== undefined) delays.push(arrived - at)
  }
  return delays.sort((a, b) => a - b)
}

/** @param sorted Ascending. @returns rounded to a tenth of a millisecond */
export function percentile(sorted: readonly number[], share: number): number {
  const value = sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]
  if (value === undefined) throw new Error('no delay was measured')
  return Math.round(value * 10) / 10
}

async function committedAt(client: Client, { table, key, above }: RowRange): Promise<Map<string, number>> {
  const { rows } = await client.query<{ key: string; at: string }>(
    `SELECT ${client.escapeIdentifier(key)}::text AS key, extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000 AS at
     FROM ${client.escapeIdentifier(table)} WHERE ${client.escapeIdentifier(key)} > $1`,
    [above],
  )
  return new Map(rows.map((row) => [row.key, Number(row.at)]))
}
