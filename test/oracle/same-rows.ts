/** Compares two queries, one in the monolith and one in a service, row by row by their whole text. */
import type { Client } from 'pg'

export interface TablePair {
  readonly service: string
  readonly table: string
  /** SELECT in the monolith: the key as text, then a text of the whole row; ordered by nothing. */
  readonly source: string
  /** SELECT in the service of the same two columns. */
  readonly target: string
}

export interface RowDifference {
  readonly sourceRows: number
  readonly targetRows: number
  readonly missing: number
  readonly extra: number
  readonly different: number
  readonly examples: readonly string[]
}

export async function compareRows(monolith: Client, service: Client, pair: TablePair): Promise<RowDifference> {
  const source = await rowsByKey(monolith, pair.source)
  const target = await rowsByKey(service, pair.target)
  let missing = 0
  let different = 0
  const examples: string[] = []
  for (const [key, row] of source) {
    const held = target.get(key)
    if (held === row) continue
    if (held === undefined) missing += 1
    else different += 1
    if (examples.length < 5) examples.push(`${held === undefined ? 'missing' : 'different'} ${key}`)
  }
  const extra = [...target.keys()].filter((key) => !source.has(key))
  examples.push(...extra.slice(0, 5).map((key) => `extra ${key}`))
  return { sourceRows: source.size, targetRows: target.size, missing, extra: extra.length, different, examples }
}

async function rowsByKey(client: Client, query: string): Promise<Map<string, string>> {
  await client.query("SET TimeZone = 'UTC'")
  const { rows } = await client.query<{ key: string; row: string }>(
    `SELECT key::text AS key, md5(whole::text) AS row FROM (${query}) AS q(key, whole)`,
  )
  return new Map(rows.map(({ key, row }) => [key, row]))
}
