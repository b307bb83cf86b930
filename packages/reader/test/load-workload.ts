/** A random workload over the tables of the load tests. */
import { connect, sqlStateOf } from '@sluice/postgres'
import type { ReaderFixture } from './reader-fixture.ts'
import { seeded } from './seeded.ts'

/** Rows in every table; ids of accounts are even. */
export async function fill(source: ReaderFixture, rows: number): Promise<void> {
  await source.source.query(`
    INSERT INTO accounts SELECT g * 2, 'account ' || g, CASE WHEN g % 10 = 0 THEN repeat('b', 3000) END FROM generate_series(1, ${rows}) g;
    INSERT INTO entries SELECT g * 2, l, g * l FROM generate_series(1, ${rows}) g, generate_series(1, 2) l;
    INSERT INTO codes SELECT (ARRAY['a','B','ä','Z','z-','É'])[g % 6 + 1] || md5(g::text), g FROM generate_series(1, ${rows}) g;
    INSERT INTO visits SELECT g, 0 FROM generate_series(1, ${rows}) g;`)
}

/** One transaction of a random workload: inserts, updates, deletes, keys that move up and down, now and then a truncate. */
function nextTransaction(random: (below: number) => number, rows: number): string {
  const id = random(rows * 2) + 1
  const other = random(rows * 2) + 1
  const free = (table: string, column: string, value: string): string =>
    `NOT EXISTS (SELECT FROM ${table} x WHERE x.${column} = ${value})`
  const code = `chr(${65 + random(50)}) || md5('${random(rows)}')`
  switch (random(10)) {
    case 0:
      return `INSERT INTO accounts VALUES (${id}, 'new', repeat('n', ${random(4000)})) ON CONFLICT DO NOTHING`
    case 1:
      return `UPDATE accounts SET name = name || '!' WHERE id BETWEEN ${id} AND ${id + 5}`
    case 2:
      return `DELETE FROM accounts WHERE id = ${id}`
    case 3:
      return `UPDATE accounts SET id = ${other} WHERE id = ${id} AND ${free('accounts', 'id', String(other))}`
    case 4:
      return `INSERT INTO entries SELECT id, ${random(9)}, 1 FROM accounts WHERE id = ${id} ON CONFLICT DO NOTHING`
    case 5:
      return `UPDATE codes SET code = ${code} WHERE n = ${random(rows)} AND ${free('codes', 'code', code)}`
    case 6:
      return `UPDATE codes SET n = n + ${rows} WHERE n = ${random(rows)}; DELETE FROM codes WHERE n = ${random(rows)}`
    case 7:
      return `UPDATE accounts SET bio = NULL WHERE id = ${id}; UPDATE visits SET n = n + 1 WHERE id = ${random(rows)}`
    case 8: {
      const [low, high] = [random(rows), rows * 3 + random(rows)]
      const move = `UPDATE visits SET id = ${low} WHERE id = ${high} AND ${free('visits', 'id', String(low))}`
      return random(2) === 0 ? move : `UPDATE visits SET id = ${high} WHERE id = ${low} AND ${free('visits', 'id', String(high))}`
    }
    default:
      return random(150) === 0 ? 'TRUNCATE visits' : `INSERT INTO visits VALUES (${id}, 1) ON CONFLICT DO NOTHING`
  }
}

export interface Workload {
  /** Gives the number of transactions; it goes on until there were so many. */
  stop(least: number): Promise<number>
}

/** Runs the workload until it is stopped. */
export function startWorkload(source: ReaderFixture, seed: number, rows: number): Workload {
  const random = seeded(seed)
  let least = Number.POSITIVE_INFINITY
  const run = async (): Promise<number> => {
    const client = await connect(source.sourceTarget, { applicationName: 'workload' })
    let transactions = 0
    while (transactions < least) {
      await client.query(nextTransaction(random, rows)).catch(ignoreConflict)
      transactions += 1
    }
    await client.end()
    return transactions
  }
  const running = run()
  return {
    stop: (transactions) => {
      least = transactions
      return running
    },
  }
}

/** Of several writers one may be in the way of another: then its transaction is rolled back as a whole. */
function ignoreConflict(error: unknown): void {
  if (!['40P01', '23503', '23505'].includes(sqlStateOf(error) ?? '')) throw error
}
