/** Rows for the benchmark's table, made by the monolith itself; about 200 bytes each. */
import type { Client } from 'pg'

const SELECT_ROWS = `
  SELECT n, (n % 1000)::integer, md5(n::text), md5((n + 1)::text), 'state ' || n % 7, 'München ' || n % 13,
    CASE WHEN n % 5 = 0 THEN NULL ELSE repeat('x', (n % 40)::integer) END,
    (n % 1000000) / 100.0, timestamptz '2025-01-01 00:00:00Z' + n * interval '1 second',
    jsonb_build_object('n', n, 'tag', 'tag-' || n % 17), n % 2 = 0
  FROM generate_series($1::bigint, $2::bigint) AS n`

/** Inserts rows `from` to `to`, in commits of `rowsPerCommit`. */
export async function fillRows(client: Client, from: number, to: number, rowsPerCommit: number): Promise<void> {
  for (let first = from; first <= to; first += rowsPerCommit) {
    await client.query(`INSERT INTO rows ${SELECT_ROWS}`, [first, Math.min(first + rowsPerCommit - 1, to)])
  }
}

export async function countRows(client: Client): Promise<number> {
  const { rows } = await client.query<{ n: string }>('SELECT count(*) AS n FROM rows')
  return Number(rows[0]?.n)
}
