/**
 * Objects of Weaviate from end to end: the projector is killed between its write there and its COMMIT, and after the COMMIT, Weaviate
 * itself is killed, and the service database is made anew from its topics beside the objects that are kept; then both are lost, and
 * restored by commands. What is there is compared with the monolith by plain SQL and Weaviate's REST interface, and by `sluice verify`.
 *
 * The server is always the test's own: the class has the name of the system, and in a given one it may be somebody else's.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type LocalWeaviate, canBuildWeaviate, startWeaviate } from '@sluice/infra'
import demo from '@sluice/medcontracthub/demo'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { catchingUp } from '../harness/caught-up.ts'
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

const SYSTEM = new URL('../../schemas/medcontracthub/with-weaviate.ts', import.meta.url)
const LIMIT_MS = 240_000
const SEED = 7
const AI = 'projector ai'
/** Those that the service consumes. */
const TOPICS = ['contracts.companies.migrated', 'contracts.opportunities.migrated', 'contracts.proposals.migrated']
const AGGREGATES = ['Company', 'Opportunity', 'Proposal']
/** Of a projector that knows nothing yet of how fast the service is. */
const FIRST_TRANSACTION_EVENTS = 1_000
const PAGE = 500
/** Weaviate's cursor begins after an id. */
const FIRST_ID = '00000000-0000-0000-0000-000000000000'
/** Of the embedder without meaning. */
const DIMENSIONS = 32

/** An opportunity as the service shows it: absent properties are NULL, or the empty array where the column has no NULL. */
interface Opportunity {
  readonly id: string
  readonly title: string
  readonly description: string
  readonly agency: string
  readonly naicsCode: string | null
  readonly requirements: readonly string[]
  /** Of the event that it stands for. */
  readonly position: number
}

const page = z.object({
  objects: z.array(
    z.object({
      id: z.string(),
      vector: z.array(z.number()).length(DIMENSIONS),
      properties: z.object({
        title: z.string(),
        description: z.string(),
        agency: z.string(),
        naicsCode: z.string().nullable().default(null),
        requirements: z.array(z.string()).nullish(),
        sluice_position: z.int(),
      }),
    }),
  ),
})

/** All objects of the class in the order of their ids, each with a vector. */
async function objectsIn(server: string): Promise<readonly Opportunity[]> {
  const found: Opportunity[] = []
  for (let after = FIRST_ID; ;) {
    const query = new URLSearchParams({ class: 'Opportunity', limit: String(PAGE), include: 'vector', after })
    const response = await fetch(`${server}/v1/objects?${query.toString()}`)
    const { objects } = page.parse(await response.json())
    for (const { id, properties } of objects) {
      const { sluice_position: position, requirements, ...texts } = properties
      found.push({ id, ...texts, requirements: requirements ?? [], position })
    }
    const last = objects.at(-1)
    if (!last) return found
    after = last.id
  }
}

/** The rows that live, in the order of their ids, each with the position of the last event that was captured of it. */
async function livingRows(system: TestSystem): Promise<readonly Opportunity[]> {
  const [monolith, pipeline] = [await system.client('monolith'), await system.client('pipeline')]
  const { rows } = await monolith.query<Omit<Opportunity, 'position'>>(
    `SELECT id::text, title, description, agency, naics_code AS "naicsCode", requirements FROM public.opportunities ORDER BY id`,
  )
  const { rows: last } = await pipeline.query<{ id: string; position: string }>(
    `SELECT aggregate_id::text AS id, max(position)::text AS position FROM event_store WHERE aggregate_type = 'Opportunity' GROUP BY 1`,
  )
  const positions = new Map(last.map(({ id, position }) => [id, Number(position)]))
  return rows.map((row) => ({ ...row, position: positions.get(row.id) ?? 0 }))
}

function idsOf(opportunities: readonly Opportunity[]): ReadonlySet<string> {
  return new Set(opportunities.map(({ id }) => id))
}

/** True once the service's projector needs more than one transaction for all that was ever stored for it. */
async function fillsTransactions(system: TestSystem): Promise<boolean> {
  const { rows } = await (
    await system.client('pipeline')
  ).query<{ events: number }>('SELECT count(*)::integer AS events FROM event_store WHERE aggregate_type = ANY ($1)', [AGGREGATES])
  return rows[0]!.events > FIRST_TRANSACTION_EVENTS
}

interface Verified {
  readonly services: readonly { readonly tables: readonly { readonly table: string }[] }[]
  readonly counts: {
    readonly tables: readonly {
      readonly table: string
      readonly places: readonly { readonly place: string; readonly status: string | null }[]
    }[]
    readonly topics: readonly { readonly topic: string; readonly status: string }[]
  }
}

async function verified(system: TestSystem): Promise<Verified> {
  const { code, stdout, stderr } = await runSluice(['verify', '--service', 'ai', '--counts', '--json'], system.env)
  expect(code, stderr).toBe(0)
  return (JSON.parse(stdout) as { result: Verified }).result
}

let folder: string
let weaviate: LocalWeaviate
let system: TestSystem
let processes: PipelineProcesses
const ends: (() => PromiseLike<void>)[] = []

beforeAll(async () => {
  // Each test says why it is skipped.
  if (!canBuildWeaviate()) return
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-weaviate-'))
  ends.push(() => rm(folder, { recursive: true }))
  // The version whose pg_dump is at hand.
  const servers = await startTestServers({ postgres: '16' })
  ends.push(() => servers[Symbol.asyncDispose]())
  weaviate = await startWeaviate()
  ends.push(() => weaviate.remove())
  const env = { SLUICE_AI_WEAVIATE_URL: weaviate.url, SLUICE_AI_EMBEDDER_URL: 'deterministic' }
  system = await startTestSystem(servers, SYSTEM, { env })
  ends.push(() => system[Symbol.asyncDispose]())
  await demo.fill({ database: system.url('monolith'), rows: 1_000, seed: SEED })
  processes = new PipelineProcesses(system, {
    reader: ['run', 'reader', 'monolith'],
    relay: ['run', 'relay'],
    [AI]: ['run', 'projector', 'ai'],
  })
  ends.push(() => processes[Symbol.asyncDispose]())
  await waitUntil('the initial load to arrive', LIMIT_MS, catchingUp(system, ['ai']))
})

afterAll(async () => {
  for (const end of ends.reverse()) await end()
})

beforeEach((context) => {
  context.skip(!canBuildWeaviate(), 'Weaviate is built by Go, which is not here')
})

/** An object for each row that lives, and nothing else: by plain SQL and REST, and as verify sees it. */
async function expectEqual(): Promise<void> {
  const living = await livingRows(system)
  expect(await objectsIn(weaviate.url)).toEqual(living)
  const { services, counts } = await verified(system)
  const sinks = services.flatMap(({ tables }) => tables).filter(({ table }) => table.startsWith('weaviate.'))
  expect(sinks).toMatchObject([{ table: 'weaviate.Opportunity', status: 'equal', sourceRows: living.length }])
  // Of one service, only the topics that it consumes are read.
  expect(counts.topics.map(({ topic, status }) => [topic, status]).sort()).toEqual(TOPICS.map((topic) => [topic, 'equal']))
  const places = counts.tables.find(({ table }) => table === 'public.opportunities')!.places
  expect(places.map(({ place, status }) => [place, status])).toEqual([
    ['monolith', null],
    ['event store', null],
    ['topic contracts.opportunities.migrated', 'equal'],
    ['ai.opportunity_texts', 'equal'],
    ['ai.weaviate.Opportunity', 'equal'],
  ])
}

test('Weaviate has one object for each living row, though projector and server were killed, and again after a replay', async () => {
  const loaded = idsOf(await objectsIn(weaviate.url))

  const stop = new AbortController()
  const workload = demo.runWorkload({ url: system.url('monolith'), seed: SEED, signal: stop.signal })
  await processes.kill(AI)
  for (const point of ['projector.after-sink:2', 'projector.after-sink:5', 'projector.after-commit:2']) {
    processes.restart(AI, { SLUICE_TEST_FAULT_POINT: point })
    expect(await processes.endOf(AI)).toMatchObject({ signal: 'SIGKILL' })
  }
  processes.restart(AI)
  await weaviate.kill9()
  await weaviate.start()
  await waitUntil('more than a transaction of events', LIMIT_MS, () => fillsTransactions(system))
  stop.abort()
  await workload
  await waitUntil('everything to be applied', LIMIT_MS, catchingUp(system, ['ai']))

  const living = await livingRows(system)
  const ids = idsOf(living)
  expect(
    [...loaded].some((id) => !ids.has(id)),
    'a row of the load was removed since',
  ).toBe(true)
  expect(
    [...ids].some((id) => !loaded.has(id)),
    'a row came since',
  ).toBe(true)
  expect(await objectsIn(weaviate.url)).toEqual(living)

  await processes.kill(AI)
  await recreateService(system, 'ai')
  // In the middle of the replay rows that were removed are back, but no object that lives has become older.
  processes.restart(AI, { SLUICE_TEST_FAULT_POINT: 'projector.after-commit:1' })
  expect(await processes.endOf(AI)).toMatchObject({ signal: 'SIGKILL' })
  expect(await system.appliedPosition('ai', 'monolith')).toBeLessThan(await system.storedPosition('monolith'))
  expect((await objectsIn(weaviate.url)).filter(({ id }) => ids.has(id))).toEqual(living)
  processes.restart(AI)
  await waitUntil('everything to be applied again', LIMIT_MS, catchingUp(system, ['ai']))
  await expectEqual()
  await dropKeptDatabase(system, 'ai')
})

test('database and class that were lost are back after sluice restore, and from the topics what came after the backup', async () => {
  const before = idsOf(await objectsIn(weaviate.url))
  const stop = new AbortController()
  // Slow, so that what came since is applied in little time.
  const workload = demo.runWorkload({ url: system.url('monolith'), seed: SEED + 1, ratePerSecond: 100, signal: stop.signal })
  const isPast = (position: number) => async (): Promise<boolean> => (await system.appliedPosition('ai', 'monolith')) > position
  await waitUntil('the workload to arrive', LIMIT_MS, isPast(await system.appliedPosition('ai', 'monolith')))
  const { positions, sinks } = await backUpService(system, 'ai', folder)
  expect(sinks).toMatchObject([{ store: 'weaviate', table: 'Opportunity' }])
  const backedUpAt = Number(positions.find(({ lane }) => lane === 'monolith')!.position)
  await waitUntil('what came after the backup', LIMIT_MS, isPast(backedUpAt))
  stop.abort()
  await workload
  // One that the backup has, though not as it is now.
  const { id: changed } = (await livingRows(system)).find(({ id }) => before.has(id))!
  await (await system.client('monolith')).query(`UPDATE opportunities SET title = 'After the backup' WHERE id = $1`, [changed])
  await waitUntil('everything to be applied', LIMIT_MS, catchingUp(system, ['ai']))

  await processes.stop(AI)
  await dropServiceDatabase(system, 'ai')
  await fetch(`${weaviate.url}/v1/schema/Opportunity`, { method: 'DELETE' })
  const table = { table: 'weaviate.Opportunity', rows: sinks[0]!.rows, held: null }
  expect(await planServiceRestore(system, 'ai', folder)).toMatchObject({ dryRun: true, exists: false, sinkTables: [table] })
  expect(await hasServiceDatabase(system, 'ai')).toBe(false)
  expect((await fetch(`${weaviate.url}/v1/schema/Opportunity`)).status).toBe(404)

  expect(await restoreService(system, 'ai', folder)).toMatchObject({ dryRun: false, sinkTables: [table] })
  expect(await system.appliedPosition('ai', 'monolith')).toBe(backedUpAt)
  const restored = await objectsIn(weaviate.url)
  expect(restored.length).toBeGreaterThan(50)
  expect(restored.length).toBe(Number(table.rows))
  expect(restored.find(({ id }) => id === changed)).toMatchObject({
    title: expect.not.stringContaining('After the backup') as string,
  })

  processes.restart(AI)
  await waitUntil('what came after the backup to be applied again', LIMIT_MS, catchingUp(system, ['ai']))
  expect((await objectsIn(weaviate.url)).find(({ id }) => id === changed)).toMatchObject({ title: 'After the backup' })
  await expectEqual()
})
