/**
 * A sink from end to end: the events of two tables in ClickHouse, while the projector is killed between its write there and its COMMIT, and
 * ClickHouse itself is killed; then the service is made anew from its topics; then its database and tables are lost, and restored by
 * commands. What is there is compared with the event store by plain SQL over HTTP, and by `sluice verify`; so are the columns in which
 * the system's services note where a row came from, which `verify` leaves out.
 */
import { randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type Clickhouse, startClickhouse } from '@sluice/infra'
import demo from '@sluice/medcontracthub/demo'
import { setTransactionContext } from '@sluice/outbox'
import kafkajs from 'kafkajs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { catchingUp } from '../harness/caught-up.ts'
import { migrationReportErrors } from '../harness/migration-report.ts'
import { PipelineProcesses } from '../harness/pipeline-processes.ts'
import {
  backUpService,
  dropKeptDatabase,
  dropServiceDatabase,
  hasServiceDatabase,
  planServiceRestore,
  recreateService,
  restoreService,
} from '../harness/service-backup.ts'
import { runSluice } from '../harness/sluice-process.ts'
import { startTestServers } from '../harness/test-servers.ts'
import { type TestSystem, startTestSystem } from '../harness/test-system.ts'
import { waitUntil } from '../harness/wait-until.ts'

const SYSTEM = new URL('../../schemas/medcontracthub/with-sinks.ts', import.meta.url)
const LIMIT_MS = 240_000
const SEED = 7
const SERVICES = ['analytics', 'ocr', 'worker'] as const
const ANALYTICS = 'projector analytics'
const TOPIC = 'contracts.opportunities.migrated'

/** By table of ClickHouse: its rows in JSON, and the same of the event store, where `image` is what the event says of its row. */
const EVENTS = {
  opportunity_events: {
    aggregate: 'Opportunity',
    found: `toString(event_id), event_type, nullIf(notice_type, ''), nullIf(agency, ''), set_aside_type, naics_code,
      toString(award_amount), response_deadline_text, toString(company_id)`,
    stored: `event_id, CASE op WHEN 'r' THEN 'HistoricalImport' ELSE event_type END, image->>'notice_type', image->>'agency',
      image->>'set_aside_type', image->>'naics_code', trim_scale((image->>'award_amount')::numeric)::text, image->>'response_deadline',
      image->>'awarded_company_id'`,
  },
  api_usage_events: {
    aggregate: 'ApiUsage',
    found: `toString(event_id), toString(user_id), toString(company_id), nullIf(endpoint, ''), nullIf(method, ''),
      if(has(unavailable, 'cost_units'), NULL, toString(cost_units)), nullIf(metadata, '')`,
    stored: `event_id, image->>'user_id', image->>'company_id', image->>'endpoint', image->>'method',
      trim_scale((image->>'cost_units')::numeric)::text, image->>'metadata'`,
  },
} as const

/** Of backups and reports. */
let folder: string
let clickhouse: Clickhouse
let system: TestSystem
let processes: PipelineProcesses
const ends: (() => PromiseLike<void>)[] = []
/** Opportunities that are made a part of the history, and too old for it, before they are loaded. */
let recent: string
let old: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-clickhouse-'))
  ends.push(() => rm(folder, { recursive: true }))
  // The version whose pg_dump is at hand.
  const servers = await startTestServers({ postgres: '16' })
  ends.push(async () => {
    await servers[Symbol.asyncDispose]()
  })
  clickhouse = await startClickhouse()
  ends.push(() => clickhouse.remove())
  system = await startTestSystem(servers, SYSTEM, { env: { SLUICE_ANALYTICS_CLICKHOUSE_URL: clickhouse.url } })
  ends.push(async () => {
    await system[Symbol.asyncDispose]()
  })
  await demo.fill({ database: system.url('monolith'), rows: 1_000, seed: SEED })
  const monolith = await system.client('monolith')
  const { rows } = await monolith.query<{ id: string }>('SELECT id FROM opportunities ORDER BY id LIMIT 2')
  ;[recent, old] = rows.map(({ id }) => id) as [string, string]
  const setAge = `UPDATE opportunities SET created_at = now() - $2::interval, response_deadline = 'infinity' WHERE id = $1`
  await monolith.query(setAge, [recent, '89 days'])
  await monolith.query(setAge, [old, '91 days'])
  processes = new PipelineProcesses(system, {
    reader: ['run', 'reader', 'monolith'],
    relay: ['run', 'relay'],
    ...Object.fromEntries(SERVICES.map((service) => [`projector ${service}`, ['run', 'projector', service]])),
  })
  ends.push(() => processes[Symbol.asyncDispose]())
  await waitUntil('the initial load to arrive', LIMIT_MS, catchingUp(system, SERVICES))
})

afterAll(async () => {
  for (const end of ends.reverse()) await end()
})

/** The client is Node's own. */
async function ask(body: string): Promise<string> {
  const { origin, username, password } = new URL(clickhouse.url)
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  const response = await fetch(`${origin}/`, { method: 'POST', body, headers: { authorization } })
  const text = await response.text()
  if (!response.ok) throw new Error(text)
  return text
}

/** Rows of a query as JSON, a line each. */
async function select(query: string): Promise<readonly string[]> {
  const text = await ask(`${query} FORMAT JSONCompactEachRow`)
  return text.split('\n').filter((line) => line !== '')
}

/**
 * Rows of the events that the sink is to have, up to a position or all of them. The load's rows of opportunities that were older than 90
 * days when they were read are no part of the history.
 */
async function expectedRows(aggregate: string, columns: string, position: number | null = null): Promise<readonly unknown[]> {
  const { rows } = await (
    await system.client('pipeline')
  ).query<{ columns: unknown }>(
    `SELECT json_build_array(${columns}) AS columns FROM (
       SELECT event_id, event_type, event_data->>'op' AS op, created_at,
         coalesce((event_data->'before')::jsonb, '{}') || coalesce((event_data->'after')::jsonb, '{}') AS image
       FROM event_store WHERE aggregate_type = $1 AND ($2::bigint IS NULL OR position <= $2)) AS stored
     WHERE NOT coalesce($1 = 'Opportunity' AND op = 'r' AND (image->>'created_at')::timestamptz < created_at - interval '2160 hours', false)
     ORDER BY event_id::text`,
    [aggregate, position],
  )
  return rows.map((row) => row.columns)
}

interface Stored {
  readonly id: string
  readonly correlationId: string
  readonly eventId: string
  readonly version: number
  readonly position: string
  readonly committedAt: Date
}

/** Events of a correlation, by the names of their aggregates. */
async function eventsOf(correlationId: string): Promise<readonly Stored[]> {
  const { rows } = await (
    await system.client('pipeline')
  ).query<Stored>(
    `SELECT aggregate_id AS id, correlation_id AS "correlationId", event_id AS "eventId", event_version AS version, position, created_at AS "committedAt"
     FROM event_store WHERE correlation_id = $1 ORDER BY aggregate_type`,
    [correlationId],
  )
  return rows
}

/** What changes a row that there is. */
function changeOf(table: string, assignment: string): string {
  return `UPDATE ${table} SET ${assignment} WHERE id = (SELECT min(id::text)::uuid FROM ${table})`
}

/** Commits changes as one correlation, and waits for the services to have applied them, and with them all that was committed before. */
async function applied(...changes: readonly string[]): Promise<readonly Stored[]> {
  const monolith = await system.client('monolith')
  const correlationId = randomUUID()
  await monolith.query('BEGIN')
  await setTransactionContext(monolith, { correlationId })
  for (const change of changes) await monolith.query(change)
  await monolith.query('COMMIT')
  const isCaughtUp = catchingUp(system, SERVICES)
  return waitUntil('everything to be applied', LIMIT_MS, async () => {
    const stored = await eventsOf(correlationId)
    return stored.length === changes.length && (await isCaughtUp()) && stored
  })
}

interface Counted {
  readonly services: readonly { readonly parked: number; readonly tables: readonly { readonly table: string }[] }[]
  readonly versions: { readonly gaps: readonly unknown[] }
  readonly counts: {
    readonly tables: readonly {
      readonly table: string
      readonly places: readonly { readonly place: string; readonly status: string | null }[]
    }[]
    readonly topics: readonly { readonly topic: string; readonly status: string; readonly extra: number }[]
    readonly patterns: readonly { readonly pattern: string; readonly events: number; readonly messages: number }[]
  }
}

interface Report {
  readonly status: string
  readonly services: readonly { readonly service: string; readonly status: string; readonly parkedEvents: number }[]
}

/** What verify says of analytics, its exit code, and the report that it writes, whose form is looked at whatever it says. */
async function verifyCounts(): Promise<Counted & { readonly code: number | null; readonly report: Report }> {
  const file = path.join(folder, 'migration_report.json')
  await rm(file, { force: true })
  const args = ['verify', '--service', 'analytics', '--counts', '--report', file, '--json']
  const { code, stdout } = await runSluice(args, system.env)
  const report = JSON.parse(await readFile(file, 'utf8')) as Report
  expect(migrationReportErrors(report)).toEqual([])
  return { ...(JSON.parse(stdout) as { result: Counted }).result, code, report }
}

function sinksOf({ services }: Counted): readonly { readonly table: string }[] {
  return services.flatMap(({ tables }) => tables).filter(({ table }) => table.startsWith('clickhouse.'))
}

function placesOf({ counts }: Counted): readonly (readonly [string, string | null])[] {
  const { places } = counts.tables.find(({ table }) => table === 'public.opportunities')!
  return places.map(({ place, status }) => [place, status])
}

/** In ClickHouse is each event of the store, once: by plain SQL on both sides, and by verify. Nothing is parked. */
async function expectEachEventOnce(): Promise<void> {
  const { rows: parked } = await (await system.client('analytics')).query('SELECT error_code FROM parked_events')
  expect(parked, 'the tables hold every value of the sample').toEqual([])
  for (const [table, { aggregate, found, stored }] of Object.entries(EVENTS)) {
    const wanted = await expectedRows(aggregate, stored)
    expect(wanted.length).toBeGreaterThan(100)
    const held = await select(`SELECT ${found} FROM ${table} FINAL ORDER BY toString(event_id)`)
    expect(held.length, table).toBe(wanted.length)
    expect(
      held.map((line) => JSON.parse(line) as unknown),
      table,
    ).toEqual(wanted)
  }

  const counted = await verifyCounts()
  expect(sinksOf(counted)).toMatchObject([
    { table: 'clickhouse.opportunity_events', status: 'equal' },
    { table: 'clickhouse.api_usage_events', status: 'equal' },
  ])
  expect(counted.versions.gaps).toEqual([])
  expect(counted.counts.topics.filter(({ status }) => status !== 'equal')).toEqual([])
  expect(placesOf(counted)).toEqual([
    ['monolith', null],
    ['event store', null],
    [`topic ${TOPIC}`, 'equal'],
    ['analytics.opportunity_facts', 'equal'],
    ['analytics.clickhouse.opportunity_events', 'equal'],
  ])
  expect(counted.report).toMatchObject({
    status: 'equal',
    services: [{ service: 'analytics', status: 'equal', parkedEvents: 0 }],
  })
  expect(counted.code).toBe(0)
}

test('ClickHouse has each event once, though the projector was killed between the sink and its COMMIT, and ClickHouse too', async () => {
  const stop = new AbortController()
  const workload = demo.runWorkload({ url: system.url('monolith'), seed: SEED, signal: stop.signal })
  await processes.kill(ANALYTICS)
  for (const pass of [2, 5]) {
    processes.restart(ANALYTICS, { SLUICE_TEST_FAULT_POINT: `projector.after-sink:${pass}` })
    expect(await processes.endOf(ANALYTICS)).toMatchObject({ signal: 'SIGKILL' })
  }
  processes.restart(ANALYTICS)
  if (clickhouse.control) {
    await clickhouse.control.kill9()
    await clickhouse.control.start()
  }
  stop.abort()
  await workload
  await applied(changeOf('opportunities', `title = 'after the workload'`))
  await expectEachEventOnce()
})

test('what was there before is history for 90 days, and a deadline that is open until filled has its text and no time', async () => {
  const imported = `FROM opportunity_events FINAL WHERE event_type = 'HistoricalImport' AND opportunity_id`
  expect(await select(`SELECT response_deadline_text, response_deadline ${imported} = '${recent}'`)).toEqual([
    '["infinity", null]',
  ])
  expect(await select(`SELECT count() = 0 ${imported} = '${old}'`)).toEqual(['[1]'])
  expect(
    await select(`SELECT countIf(response_deadline IS NULL) = 0, countIf(position(response_deadline_text, toString(toDateTime(response_deadline, 'UTC'))) != 1) = 0, count() > 0
      FROM opportunity_events FINAL WHERE match(response_deadline_text, '^2')`),
  ).toEqual(['[1, 1, 1]'])
})

test('the tracking columns of the services name the event that wrote the row', async () => {
  const [document, opportunity, proposal] = (await applied(
    changeOf('contract_documents', `file_name = 'tracked.pdf'`),
    changeOf('opportunities', `title = 'tracked'`),
    changeOf('proposals', `title = 'tracked'`),
  )) as [Stored, Stored, Stored]
  expect(
    await rowsOf('ocr', `SELECT ocr_service_version, processing_correlation_id FROM documents WHERE document_id = $1`, document),
  ).toEqual([{ ocr_service_version: null, processing_correlation_id: document.correlationId }])
  expect(
    await rowsOf('worker', 'SELECT processed_by_services, last_sync_to_kafka FROM opportunities WHERE id = $1', opportunity),
  ).toEqual([
    {
      processed_by_services: { worker: { eventId: opportunity.eventId, version: opportunity.version } },
      last_sync_to_kafka: opportunity.committedAt,
    },
  ])
  expect(await rowsOf('worker', 'SELECT event_stream_position FROM proposals WHERE id = $1', proposal)).toEqual([
    { event_stream_position: proposal.position },
  ])
  expect(await rowsOf('analytics', 'SELECT analytics_synced FROM proposal_facts WHERE proposal_id = $1', proposal)).toEqual([
    { analytics_synced: true },
  ])
  // Every other row has them, too.
  for (const [service, table, isBare] of [
    ['ocr', 'documents', 'processing_correlation_id IS NULL'],
    ['worker', 'opportunities', `last_sync_to_kafka IS NULL OR processed_by_services = '{}'`],
    ['worker', 'proposals', 'event_stream_position IS NULL'],
    ['analytics', 'proposal_facts', 'NOT analytics_synced'],
  ] as const) {
    const { rows } = await (
      await system.client(service)
    ).query<{ rows: number; bare: number }>(
      `SELECT count(*)::int AS rows, (count(*) FILTER (WHERE ${isBare}))::int AS bare FROM ${table}`,
    )
    expect(rows[0]!.rows, table).toBeGreaterThan(50)
    expect(rows[0]!.bare, table).toBe(0)
  }
})

async function rowsOf(service: string, query: string, { id }: Stored): Promise<readonly unknown[]> {
  const { rows } = await (await system.client(service)).query<Record<string, unknown>>(query, [id])
  return rows
}

test('a service that is made anew applies every event again: its database is full again, and ClickHouse has each event once', async () => {
  const [facts, held] = [await factsHeld(), new Map<string, number>()]
  for (const table of Object.keys(EVENTS)) {
    // What comes twice is to be seen.
    await ask(`SYSTEM STOP MERGES ${table}`)
    held.set(table, await rowsHeld(table))
  }
  await processes.kill(ANALYTICS)
  await recreateService(system, 'analytics')
  expect([await factsHeld(), await appliedPosition()]).toEqual([0, 0])

  processes.restart(ANALYTICS)
  await waitUntil('everything to be applied again', LIMIT_MS, catchingUp(system, SERVICES))
  for (const [table, { aggregate, stored }] of Object.entries(EVENTS)) {
    const cameAgain = (await rowsHeld(table)) - held.get(table)!
    expect(cameAgain, table).toBeGreaterThanOrEqual((await expectedRows(aggregate, stored)).length)
    await ask(`SYSTEM START MERGES ${table}`)
  }
  expect(await factsHeld()).toBe(facts)
  await expectEachEventOnce()
  await dropKeptDatabase(system, 'analytics')
})

/** Of an event that was written twice both rows, until they are merged. */
async function rowsHeld(table: string): Promise<number> {
  const [line] = await select(`SELECT toString(count()) FROM ${table}`)
  return Number((JSON.parse(line!) as [string])[0])
}

async function factsHeld(): Promise<number> {
  const { rows } = await (
    await system.client('analytics')
  ).query<{ facts: number }>('SELECT count(*)::integer AS facts FROM opportunity_facts')
  return rows[0]!.facts
}

test('database and tables of a service that were lost are back after sluice restore, and from the topics what came after the backup', async () => {
  const { rows: there } = await (
    await system.client('analytics')
  ).query<{ id: string }>('SELECT opportunity_id AS id FROM opportunity_facts')
  const stop = new AbortController()
  // Slow, so that what came since is applied in little time.
  const workload = demo.runWorkload({ url: system.url('monolith'), seed: SEED + 1, ratePerSecond: 100, signal: stop.signal })
  await waitUntil('the workload to arrive', LIMIT_MS, isAppliedPast(await appliedPosition()))
  const { encryption, positions, sinks } = await backUpService(system, 'analytics', folder)
  expect(encryption).toMatchObject({ key: 'backup' })
  const backedUpAt = Number(positions.find(({ lane }) => lane === 'monolith')!.position)
  await waitUntil('what came after the backup', LIMIT_MS, isAppliedPast(backedUpAt))
  stop.abort()
  await workload
  // One that the backup has, though not as it is now.
  const { rows: kept } = await (
    await system.client('monolith')
  ).query<{ id: string }>('SELECT id FROM opportunities WHERE id = ANY ($1) ORDER BY id LIMIT 1', [there.map(({ id }) => id)])
  const change = `UPDATE opportunities SET agency = 'After the backup' WHERE id = '${kept[0]!.id}'`
  const [changed] = (await applied(change)) as [Stored]

  await processes.stop(ANALYTICS)
  await dropServiceDatabase(system, 'analytics')
  for (const table of Object.keys(EVENTS)) await ask(`DROP TABLE ${table}`)
  const sinkTables = sinks.map(({ store, table, rows }) => ({ table: `${store}.${table}`, rows, held: null }))
  expect(await planServiceRestore(system, 'analytics', folder)).toMatchObject({ dryRun: true, exists: false, sinkTables })
  expect(await hasServiceDatabase(system, 'analytics')).toBe(false)
  expect(await heldTables()).toEqual([])

  expect(await restoreService(system, 'analytics', folder)).toMatchObject({ dryRun: false, exists: false, sinkTables })
  expect(await heldTables()).toEqual(Object.keys(EVENTS).sort())
  for (const [table, { aggregate, stored }] of Object.entries(EVENTS)) {
    const { rows } = sinks.find((backedUp) => backedUp.table === table)!
    expect(await select(`SELECT toString(count()) FROM ${table} FINAL`), table).toEqual([JSON.stringify([rows])])
    const counted = await expectedRows(aggregate, stored, backedUpAt)
    expect(counted.length, table).toBeGreaterThan(0)
    // Those at least that the service counts as applied.
    expect(Number(rows), table).toBeGreaterThanOrEqual(counted.length)
  }
  expect(await appliedPosition()).toBe(backedUpAt)
  const isInSink = (): Promise<readonly string[]> =>
    select(`SELECT count() = 1 FROM opportunity_events FINAL WHERE event_id = '${changed.eventId}'`)
  const agency = (): Promise<readonly unknown[]> =>
    rowsOf('analytics', 'SELECT agency FROM opportunity_facts WHERE opportunity_id = $1', changed)
  expect(await isInSink()).toEqual(['[0]'])
  expect(await agency()).toEqual([{ agency: expect.not.stringContaining('After the backup') as string }])

  processes.restart(ANALYTICS)
  await waitUntil('what came after the backup to be applied again', LIMIT_MS, catchingUp(system, SERVICES))
  expect(await isInSink()).toEqual(['[1]'])
  expect(await agency()).toEqual([{ agency: 'After the backup' }])
  await expectEachEventOnce()
})

function appliedPosition(): Promise<number> {
  return system.appliedPosition('analytics', 'monolith')
}

function isAppliedPast(position: number): () => Promise<boolean> {
  return async () => (await appliedPosition()) > position
}

/** Names of the service's tables in ClickHouse. */
async function heldTables(): Promise<readonly unknown[]> {
  const names = Object.keys(EVENTS).map((table) => `'${table}'`)
  const query = `SELECT name FROM system.tables WHERE database = currentDatabase() AND name IN (${names.join()}) ORDER BY name`
  return (await select(query)).flatMap((line) => JSON.parse(line) as unknown[])
}

test('a time that ClickHouse can not hold is parked with what follows of its key, and verify says no', async () => {
  await applied(changeOf('opportunities', `created_at = 'infinity'`))
  await applied(changeOf('opportunities', `agency = 'Nobody'`))
  const { rows } = await (
    await system.client('analytics')
  ).query<{ code: string }>('SELECT error_code AS code FROM parked_events ORDER BY position')
  expect(rows.map(({ code }) => code)).toEqual(['SLU-5104', 'SLU-5020'])
  const counted = await verifyCounts()
  expect(counted.code).toBe(4)
  expect(counted.services).toMatchObject([{ parked: 2 }])
  expect(counted.report).toMatchObject({ status: 'different', services: [{ status: 'different', parkedEvents: 2 }] })
  expect(sinksOf(counted)).toMatchObject([{ status: 'equal' }, { status: 'equal' }])
  expect(placesOf(counted)).toContainEqual(['analytics.opportunity_facts', 'different'])
})

/** Sends the first message of a topic there once more, as it is. */
async function repeatFirstMessage(topic: string): Promise<void> {
  const kafka = new kafkajs.Kafka({ brokers: [system.servers.kafka.url], clientId: 'test', logLevel: kafkajs.logLevel.NOTHING })
  const consumer = kafka.consumer({ groupId: randomUUID(), readUncommitted: false })
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  const first = Promise.withResolvers<kafkajs.EachMessagePayload>()
  await consumer.run({
    eachMessage: async (message) => {
      first.resolve(message)
      return Promise.resolve()
    },
  })
  const { partition, message } = await first.promise
  await consumer.disconnect()
  const producer = kafka.producer()
  await producer.connect()
  const { key, value, headers = {} } = message
  await producer.send({ topic, messages: [{ partition, key, value, headers }] })
  await producer.disconnect()
}

test('a message that is twice in its topic is told, and verify says no; the service has its event once', async () => {
  const patternOf = ({ counts }: Counted): readonly [number, number] => {
    const { events, messages } = counts.patterns.find(({ pattern }) => pattern === 'contracts.opportunities.*')!
    return [events, messages]
  }
  const [events, messages] = patternOf(await verifyCounts())
  expect(messages).toBe(events)
  await repeatFirstMessage(TOPIC)
  await applied(changeOf('proposals', `title = 'after the repeat'`))
  const counted = await verifyCounts()
  expect(counted.code).toBe(4)
  expect(counted.counts.topics.filter(({ status }) => status !== 'equal')).toMatchObject([{ topic: TOPIC, extra: 1 }])
  expect(patternOf(counted)).toEqual([events, events + 1])
  expect(sinksOf(counted)).toMatchObject([{ status: 'equal' }, { status: 'equal' }])
})
