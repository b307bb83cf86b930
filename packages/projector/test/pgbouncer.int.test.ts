/**
 * Behind a pgbouncer in transaction mode a session is somebody else's with every transaction. The projector keeps nothing in one, and what
 * others leave in theirs does not reach its rows (decision 0023).
 */
import { randomUUID } from 'node:crypto'
import { type Pgbouncer, startPgbouncer } from '@sluice/infra'
import { connect, postgresTarget } from '@sluice/postgres'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { type RunningProjector, Shop } from './projector-fixture.ts'
import { customer, order } from './shop-rows.ts'
import { SERVICE, customers, orders } from './shop-system.ts'
import { announced, created, deleted, updated } from './test-lane.ts'

const POOL_SIZE = 3
const OTHERS = 6
const COMMITS = 400

let shop: Shop
let pgbouncer: Pgbouncer

/** The first time, the server is downloaded. */
const DOWNLOAD_MS = 600_000

beforeAll(async () => {
  shop = await Shop.open()
  pgbouncer = await startPgbouncer(urlOf(shop), { poolSize: POOL_SIZE, clientsMax: 100 })
}, DOWNLOAD_MS)
afterAll(async () => {
  await pgbouncer.remove()
  await shop[Symbol.asyncDispose]()
})
beforeEach(() => shop.reset())

function urlOf({ target: { config } }: Shop): string {
  const password = typeof config.password === 'string' ? config.password : ''
  return `postgresql://${config.user}:${encodeURIComponent(password)}@${config.host}:${config.port}/${config.database}`
}

function startPooled(): RunningProjector {
  return shop.start({}, { target: postgresTarget(SERVICE, pgbouncer.url) })
}

/** A client of the service's own, which connects again when the pooler was away; until it is stopped, and has done something. */
async function workBeside(stopped: AbortSignal): Promise<void> {
  let transactions = 0
  // Read anew each time: it changes while something is awaited.
  const goesOn = (): boolean => !stopped.aborted || transactions === 0
  while (goesOn()) {
    const client = new pg.Client({ connectionString: pgbouncer.url, application_name: 'service' })
    client.on('error', () => undefined)
    try {
      await client.connect()
      while (goesOn()) {
        await client.query('BEGIN')
        await client.query('SELECT pg_sleep(0.002), count(*) FROM clients WHERE name <> $1', ['nobody'])
        await client.query('COMMIT')
        transactions += 1
      }
    } catch {
      // The pooler was killed: again.
    } finally {
      await client.end().catch(() => undefined)
    }
  }
}

/** As its supervisor does: a projector whose COMMIT got no answer is started again, and reads whether it took effect. */
async function applyAllPooled(first: RunningProjector): Promise<number> {
  let projector = first
  for (let starts = 1; ; starts++) {
    try {
      await shop.appliedBy(projector)
      await projector.stop()
      return starts
    } catch {
      projector = startPooled()
    }
  }
}

/** Asks every session of the pool at once, by a transaction in each. */
async function ofEverySession<Row extends pg.QueryResultRow>(query: string): Promise<readonly Row[]> {
  const clients = await Promise.all(
    Array.from({ length: POOL_SIZE }, async () => {
      const client = new pg.Client({ connectionString: pgbouncer.url })
      await client.connect()
      await client.query('BEGIN')
      return client
    }),
  )
  const rows: Row[] = []
  for (const client of clients) {
    rows.push(...(await client.query<Row>(query)).rows)
    await client.query('COMMIT')
    await client.end()
  }
  return rows
}

/** Commits that change rows again and again. */
function commitWork(from: number, to: number): void {
  for (let i = from; i < to; i++) {
    const id = `00000000-0000-4000-8000-0000000000${String(i % 50).padStart(2, '0')}`
    const row = customer(id, { email: `${i % 50}@example.org`, name: `name ${i}`, tier: i % 3 === 0 ? 'gold' : 'basic' })
    shop.lane.commit(
      announced('OrderPlaced', { client: id }),
      i < 50 ? created(customers, row) : updated(customers, row),
      created(orders, order(`${i}`, id)),
      ...(i % 5 === 4 ? [deleted(orders, order(`${i - 3}`, id))] : []),
    )
  }
}

test('under load of other clients, and after the pooler was killed, the service holds what it holds without one', async () => {
  const stopping = new AbortController()
  const others = Array.from({ length: OTHERS }, () => workBeside(stopping.signal))
  const projector = startPooled()
  commitWork(0, COMMITS / 2)
  await projector.until((p) => p.kind === 'applied')
  await pgbouncer.kill9()
  commitWork(COMMITS / 2, COMMITS)
  await pgbouncer.start()
  await applyAllPooled(projector)
  stopping.abort()
  await Promise.all(others)
  // Whoever is lent a session after the projector finds nothing of it there.
  expect(await ofEverySession('SELECT name, statement FROM pg_prepared_statements')).toEqual([])
  const pooled = await shop.contents()
  expect(pooled['parked_events']).toEqual([])
  expect(pooled['order_counts']).toHaveLength(50)

  await shop.client.query(
    'TRUNCATE clients, favourites, orders, order_counts, links, processed_events, projector_positions, consumed_offsets, processing_batches',
  )
  await shop.applyAll()
  expect(await shop.contents()).toEqual(pooled)
})

test('settings that others have left in a session do not reach its transactions', async () => {
  await shop.client.query(`
    CREATE FUNCTION assert_settings() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF current_setting('IntervalStyle') <> 'postgres' OR current_setting('xmloption') <> 'content' THEN
        RAISE EXCEPTION 'the settings of somebody else';
      END IF;
      RETURN NEW; END $$;
    CREATE TRIGGER settings BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION assert_settings()`)
  await ofEverySession(`SELECT set_config('IntervalStyle', 'sql_standard', false), set_config('xmloption', 'document', false)`)
  try {
    shop.lane.commit(created(orders, order('1', null)))
    await applyAllPooled(startPooled())
    expect(await shop.rows('SELECT id::int FROM orders')).toEqual([{ id: 1 }])
    expect(await shop.parked()).toEqual([])
    expect(await ofEverySession(`SELECT DISTINCT current_setting('IntervalStyle') AS style`)).toEqual(
      Array.from({ length: POOL_SIZE }, () => ({ style: 'sql_standard' })),
    )
  } finally {
    await shop.client.query('DROP TRIGGER settings ON orders; DROP FUNCTION assert_settings')
    await pgbouncer.restart()
  }
})

test('what keeps something in a session is refused before it does anything there, and the server itself is not', async () => {
  const pooled = postgresTarget(SERVICE, pgbouncer.url)
  await expect(connect(pooled, { applicationName: 'test' })).rejects.toMatchObject({
    code: 'POSTGRES_POOLED',
    number: 'SLU-2005',
  })
  const client = await connect(shop.target, { applicationName: `test ${randomUUID()}` })
  await client.end()
})
