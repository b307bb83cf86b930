/** The sample of docs/subscribing.md against a running pipeline: exactly once, though it is killed on the way. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createTestDatabase } from '@sluice/infra'
import demo from '@sluice/medcontracthub/demo'
import pg from 'pg'
import { expect, test } from 'vitest'
import { startTestServers } from '../harness/test-servers.ts'
import { startTestSystem } from '../harness/test-system.ts'
import { waitUntil } from '../harness/wait-until.ts'

const SYSTEM = new URL('../../schemas/medcontracthub/system.ts', import.meta.url)
const SAMPLE = fileURLToPath(new URL('../../docs/samples/subscriber.ts', import.meta.url))
const OPPORTUNITIES = 3_000
/** Events after which the subscriber is held, and killed. */
const COUNTED = 500
/** Of the advisory lock that it is held by. */
const HOLD = 1
/** The subscriber's own table, which is there before it, so that it can be held in the middle of its work. */
const HELD_SEEN_EVENTS = `
  CREATE TABLE seen_events (event_id uuid, partition integer, PRIMARY KEY (event_id, partition));
  CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF (SELECT count(*) FROM seen_events) >= ${COUNTED} THEN PERFORM pg_advisory_xact_lock(${HOLD}); END IF;
    RETURN NEW; END $$;
  CREATE TRIGGER held BEFORE INSERT ON seen_events FOR EACH ROW EXECUTE FUNCTION hold()`
/** Of all tables together in the sample data. */
const ROWS_PER_OPPORTUNITY = 3.3
const LIMIT_MS = 240_000

interface Subscriber {
  readonly child: ChildProcess
  /** Awaited from its start on: it may end by itself. */
  readonly exit: Promise<unknown>
}

test('a subscriber with plain clients has every opportunity once, though it was killed', async () => {
  await using servers = await startTestServers()
  await using system = await startTestSystem(servers, SYSTEM)
  await demo.fill({ database: system.url('monolith'), rows: OPPORTUNITIES * ROWS_PER_OPPORTUNITY })
  system.start('reader', ['run', 'reader', 'monolith'])
  system.start('relay', ['run', 'relay', 'monolith'])

  const database = await createTestDatabase(servers.running.services.url, 'subscriber')
  const start = (): Subscriber => {
    const child = spawn(process.execPath, [SAMPLE], {
      env: { ...process.env, ...system.env, SUBSCRIBER_DATABASE_URL: database.url },
      stdio: 'inherit',
    })
    return { child, exit: once(child, 'exit') }
  }
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  await client.query(HELD_SEEN_EVENTS)
  await client.query('SELECT pg_advisory_lock($1)', [HOLD])
  let subscriber = start()
  try {
    await waitUntil('the subscriber to be held', LIMIT_MS, async () => {
      const { rowCount } = await client.query(`SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`)
      return rowCount === 1
    })
    subscriber.child.kill('SIGKILL')
    await subscriber.exit
    expect(await count(client, 'seen_events')).toBe(COUNTED)
    // Its session meets its end only when it waits no more.
    await client.query('SELECT pg_advisory_unlock($1)', [HOLD])
    await client.query('DROP TRIGGER held ON seen_events')

    subscriber = start()
    await (
      await system.client('monolith')
    ).query(`UPDATE opportunities SET agency = 'Renamed' WHERE agency = (SELECT min(agency) FROM opportunities)`)
    const everyCount = async (): Promise<void> => {
      const wanted = await agencies(await system.client('monolith'), countsIn('opportunities'))
      await waitUntil('every agency to have its count', LIMIT_MS, async () => {
        return JSON.stringify(await agencies(client, countsIn('agency_of'))) === JSON.stringify(wanted)
      })
    }
    await everyCount()
    // A truncate is in every partition of the topic, and ends the keys of each.
    await (
      await system.client('monolith')
    ).query(
      `BEGIN; CREATE TEMPORARY TABLE kept AS SELECT * FROM opportunities LIMIT 100; TRUNCATE opportunities CASCADE;
       INSERT INTO opportunities SELECT * FROM kept; COMMIT`,
    )
    await everyCount()
  } finally {
    subscriber.child.kill('SIGTERM')
    // With its session goes the lock, if the test failed while it was held.
    await client.end()
    await subscriber.exit
    await database.drop()
  }
})

function countsIn(table: string): string {
  return `SELECT agency, count(*)::int AS n FROM ${table} GROUP BY agency ORDER BY agency`
}

async function count(client: pg.Client, table: string): Promise<number> {
  const { rows } = await client.query<{ n: number }>(`SELECT count(*)::int AS n FROM ${pg.escapeIdentifier(table)}`)
  return rows[0]!.n
}

async function agencies(client: pg.Client, query: string): Promise<readonly { agency: string; n: number }[]> {
  const { rows } = await client.query<{ agency: string; n: number }>(query)
  return rows.sort((a, b) => (a.agency < b.agency ? -1 : 1))
}
