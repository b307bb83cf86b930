/** A transaction of many rows, in parts: some are undone by a savepoint, now and then all of it. Where there are many, a TRUNCATE. */
import type { Random } from '@sluice/workload'
import pg from 'pg'

const ENDPOINT = '/large'
const PARTS = 4
const UNDONE_SHARE = 0.3
const ROLLBACK_SHARE = 0.1
const TRUNCATE_SHARE = 0.3
/** Above it rows are rather deleted, or the table is truncated, so that it does not grow for ever. */
const ROWS_KEPT = 20_000

/** A connection that breaks, or a conflict with others, ends it: whatever became of the transaction, the rows tell. */
export async function writeLargeTransaction(url: string, rows: number, random: Random): Promise<void> {
  await connected(url, async (client) => {
    const { rows: kept } = await client.query<{ count: string }>('SELECT count(*) FROM api_usage WHERE endpoint = $1', [ENDPOINT])
    await client.query('BEGIN')
    if (Number(kept[0]?.count) <= ROWS_KEPT) await insertInParts(client, rows, () => random.chance(UNDONE_SHARE))
    else if (random.chance(TRUNCATE_SHARE)) await client.query('TRUNCATE api_usage')
    else await deleteRows(client, rows)
    await client.query(random.chance(ROLLBACK_SHARE) ? 'ROLLBACK' : 'COMMIT')
  })
}

/** Inserts so many rows in a transaction, of which one part is undone. @returns whether the server said that it is committed */
export async function insertLargeTransaction(url: string, rows: number, random: Random): Promise<boolean> {
  const undone = random.between(1, PARTS)
  return connected(url, async (client) => {
    await client.query('BEGIN')
    await insertInParts(client, rows, (part) => part === undone)
    await client.query('COMMIT')
  })
}

/** @returns false if the connection broke or the server ended the transaction */
async function connected(url: string, work: (client: pg.Client) => Promise<void>): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, application_name: 'large transaction', connectionTimeoutMillis: 10_000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await work(client)
    return true
  } catch (error) {
    if (isUnexpected(error)) throw error
    return false
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function insertInParts(client: pg.Client, rows: number, isUndone: (part: number) => boolean): Promise<void> {
  for (let part = 1; part <= PARTS; part += 1) {
    await client.query('SAVEPOINT part')
    const share = Math.floor((rows * part) / PARTS) - Math.floor((rows * (part - 1)) / PARTS)
    await client.query(
      `INSERT INTO api_usage (endpoint, method, status_code, response_time_ms, cost_units, request_body)
       SELECT $1, 'GET', (ARRAY[200, 404, 500])[1 + n % 3], n % 9000, n / 7.0, repeat(md5(n::text), n % 5)
       FROM generate_series(1, $2::integer) AS n`,
      [ENDPOINT, share],
    )
    if (isUndone(part)) await client.query('ROLLBACK TO SAVEPOINT part')
  }
}

async function deleteRows(client: pg.Client, rows: number): Promise<void> {
  await client.query('DELETE FROM api_usage WHERE id IN (SELECT id FROM api_usage WHERE endpoint = $1 ORDER BY id LIMIT $2)', [
    ENDPOINT,
    rows,
  ])
}

/** What the server refuses for another reason than its own end (08, 57P) or a conflict (40). */
function isUnexpected(error: unknown): boolean {
  return error instanceof pg.DatabaseError && !/^(08|40|57P0)/.test(error.code ?? '')
}
