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
/** Of all tables together in the sample data. */
const ROWS_PER_OPPORTUNITY = 3.3
const LIMIT_MS = 90_000

test('a subscriber with plain clients has every opportunity once, though it was killed', async () => {
  await using servers = await startTestServers()
  await using system = await startTestSystem(servers, SYSTEM)
  await demo.fill({ database: system.url('monolith'), rows: OPPORTUNITIES * ROWS_PER_OPPORTUNITY })
  system.start('reader', ['run', 'reader', 'monolith'])
  system.start('relay', ['run', 'relay', 'monolith'])

  const database = await createTestDatabase(servers.running.services.url, 'subscriber')
  const start = (): ChildProcess =>
    spawn(process.execPath, [SAMPLE], {
      env: { ...process.env, ...system.env, SUBSCRIBER_DATABASE_URL: database.url },
      stdio: 'inherit',
    })
  let subscriber = start()
  const client = new pg.Client({ connectionString: database.url })
  await client.connect()
  try {
    await waitUntil('some events to be counted', LIMIT_MS, async () => (await count(client, 'seen_events')) > 500)
    subscriber.kill('SIGKILL')
    await once(subscriber, 'exit')
    expect(await count(client, 'seen_events')).toBeLessThan(OPPORTUNITIES)

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
    const ended = once(subscriber, 'exit')
    subscriber.kill('SIGTERM')
    await ended
    await client.end()
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
