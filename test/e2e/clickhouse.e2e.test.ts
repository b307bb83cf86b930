/**
 * A sink from end to end: the events of two tables in ClickHouse, while the projector is killed between its write there and its COMMIT, and
 * ClickHouse itself is killed. What is there is compared with the event store by plain SQL over HTTP, and by `sluice verify`.
 */
import { startClickhouse } from '@sluice/infra'
import demo from '@sluice/medcontracthub/demo'
import { expect, test } from 'vitest'
import { PipelineProcesses } from '../harness/pipeline-processes.ts'
import { runSluice } from '../harness/sluice-process.ts'
import { startTestServers } from '../harness/test-servers.ts'
import { type TestSystem, startTestSystem } from '../harness/test-system.ts'
import { waitUntil } from '../harness/wait-until.ts'

const SYSTEM = new URL('../../schemas/medcontracthub/with-sinks.ts', import.meta.url)
const LIMIT_MS = 120_000
const SEED = 7
const TABLES = { opportunity_events: 'Opportunity', api_usage_events: 'ApiUsage' } as const
const ANALYTICS = 'projector analytics'
const TOPIC = 'contracts.opportunities.migrated'

/** Rows of a query, a line each; the client is Node's own. */
async function select(server: string, query: string): Promise<readonly string[]> {
  const { origin, username, password } = new URL(server)
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  const response = await fetch(`${origin}/`, { method: 'POST', body: query, headers: { authorization } })
  const text = await response.text()
  if (!response.ok) throw new Error(text)
  return text.split('\n').filter((line) => line !== '')
}

/**
 * Ids of the events that the sink is to have. The load's rows of opportunities that were older than 90 days when they were read are no
 * part of the history.
 */
async function expectedEvents(system: TestSystem, aggregate: string): Promise<readonly string[]> {
  const { rows } = await (
    await system.client('pipeline')
  ).query<{ event_id: string }>(
    `SELECT event_id::text FROM event_store WHERE aggregate_type = $1
       AND NOT coalesce($1 = 'Opportunity' AND event_data->>'op' = 'r'
         AND (event_data->'after'->>'created_at')::timestamptz < created_at - interval '2160 hours', false)
     ORDER BY 1`,
    [aggregate],
  )
  return rows.map(({ event_id: id }) => id)
}

async function isApplied(system: TestSystem): Promise<boolean> {
  const stored = await system.storedPosition('monolith')
  return stored > 0 && (await system.appliedPosition('analytics', 'monolith')) >= stored
}

interface Counted {
  readonly services: readonly { readonly tables: readonly { readonly table: string }[] }[]
  readonly versions: { readonly gaps: readonly unknown[] }
  readonly counts: {
    readonly tables: readonly {
      readonly table: string
      readonly places: readonly { readonly place: string; readonly status: string | null }[]
    }[]
    readonly topics: readonly { readonly topic: string; readonly status: string }[]
  }
}

async function verifyCounts(system: TestSystem): Promise<Counted> {
  const { stdout } = await runSluice(['verify', '--service', 'analytics', '--counts', '--json'], system.env)
  return (JSON.parse(stdout) as { result: Counted }).result
}

test('ClickHouse has each event once, though the projector was killed between the sink and its COMMIT, and ClickHouse too', async () => {
  await using servers = await startTestServers()
  const clickhouse = await startClickhouse()
  try {
    const env = { SLUICE_ANALYTICS_CLICKHOUSE_URL: clickhouse.url }
    await using system = await startTestSystem(servers, SYSTEM, { env })
    await demo.fill({ database: system.url('monolith'), rows: 1_000, seed: SEED })
    await using processes = new PipelineProcesses(system, {
      reader: ['run', 'reader', 'monolith'],
      relay: ['run', 'relay'],
      [ANALYTICS]: ['run', 'projector', 'analytics'],
    })
    await waitUntil('the initial load to arrive', LIMIT_MS, () => isApplied(system))

    const stop = new AbortController()
    const workload = demo.runWorkload({ url: system.url('monolith'), seed: SEED, signal: stop.signal })
    for (const pass of [2, 5]) {
      await processes.kill(ANALYTICS)
      processes.restart(ANALYTICS, { SLUICE_TEST_FAULT_POINT: `projector.after-sink:${pass}` })
      expect(await processes.endOf(ANALYTICS)).toMatchObject({ signal: 'SIGKILL' })
      processes.restart(ANALYTICS)
    }
    if (clickhouse.control) {
      await clickhouse.control.kill9()
      await clickhouse.control.start()
    }
    stop.abort()
    await workload
    await waitUntil('everything to be applied', LIMIT_MS, () => isApplied(system))

    // Deadlines that are infinite, or too far away for a DateTime64, can not be held there: those events are parked, and the later ones of their keys.
    const { rows } = await (
      await system.client('analytics')
    ).query<{ id: string; code: string }>('SELECT event_id::text AS id, error_code AS code FROM parked_events')
    const parked = new Set(rows.map(({ id }) => id))
    expect(new Set(rows.map(({ code }) => code))).toEqual(new Set(['SLU-5104', 'SLU-5020']))
    for (const [table, aggregate] of Object.entries(TABLES)) {
      const wanted = (await expectedEvents(system, aggregate)).filter((id) => !parked.has(id))
      expect(wanted.length).toBeGreaterThan(100)
      const found = await select(clickhouse.url, `SELECT toString(event_id) AS id FROM ${table} FINAL ORDER BY id FORMAT TSV`)
      expect(found.length, table).toBe(wanted.length)
      expect(found, table).toEqual(wanted)
    }
    const counted = await verifyCounts(system)
    const sinks = counted.services.flatMap(({ tables }) => tables).filter(({ table }) => table.startsWith('clickhouse.'))
    expect(sinks).toMatchObject([
      { table: 'clickhouse.opportunity_events', status: 'equal' },
      { table: 'clickhouse.api_usage_events', status: 'equal' },
    ])
    expect(counted.versions.gaps).toEqual([])
    expect(counted.counts.topics.filter(({ status }) => status !== 'equal')).toEqual([])
    const places = counted.counts.tables.find(({ table }) => table === 'public.opportunities')!.places
    // A mapped table lacks the rows of parked events, which `verify` tells as differences.
    expect(places.map(({ place, status }) => [place, status])).toEqual([
      ['monolith', null],
      ['event store', null],
      [`topic ${TOPIC}`, 'equal'],
      ['analytics.opportunity_facts', 'different'],
      ['analytics.clickhouse.opportunity_events', 'equal'],
    ])
  } finally {
    await clickhouse.remove()
  }
})
