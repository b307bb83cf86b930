/**
 * Kills and stops at random moments, under a workload: nothing lost, nothing doubled, order kept, all rows equal.
 *
 * Before each fault the relay is held (SIGSTOP) until at least `BACKLOG_EVENTS` stand between the store and the services,
 * then let go, and the fault strikes a random moment later, while those events are on their way. How many were is asserted.
 *
 * The seed is printed; SLUICE_TEST_SEED=N replays the choice of faults and moments.
 */
import { Random } from '@sluice/medcontracthub/sample/random'
import { generateSampleData } from '@sluice/medcontracthub/sample-data'
import { runWorkload } from '@sluice/medcontracthub/workload'
import { lanesOf, topicsOf } from '@sluice/system'
import { expect, test } from 'vitest'
import { PipelineProcesses } from '../harness/pipeline-processes.ts'
import { runSluice } from '../harness/sluice-process.ts'
import { startTestServers } from '../harness/test-servers.ts'
import { startTestSystem, type TestSystem } from '../harness/test-system.ts'
import { waitUntil } from '../harness/wait-until.ts'
import { medcontracthubAcrossServices, medcontracthubTables } from '../oracle/medcontracthub-tables.ts'
import { compareRows } from '../oracle/same-rows.ts'
import { checkStore } from '../oracle/store-invariants.ts'
import { checkTopics } from '../oracle/topic-invariants.ts'

const FAULTS = 20
const IN_FLIGHT_MIN = 1_000
/** Held back before a fault, so that enough is still on its way when it strikes. */
const BACKLOG_EVENTS = 4_000
const DELAY_MS_MAX = 120
const LIMIT_MS = 120_000
const SYSTEM = new URL('../../schemas/medcontracthub/system.ts', import.meta.url)

type Fault = 'kill reader' | 'kill relay' | 'kill projector' | 'restart kafka' | 'restart pipeline database'
const KINDS: readonly Fault[] = ['kill reader', 'kill relay', 'kill projector', 'restart kafka', 'restart pipeline database']

test(`${FAULTS} faults at random: no event lost, none doubled, none applied twice, all rows equal`, async () => {
  const seed = Number(process.env['SLUICE_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  process.stderr.write(`random faults: seed ${seed}\n`)
  const random = new Random(seed)
  await using servers = await startTestServers()
  await using system = await startTestSystem(servers, SYSTEM)
  await generateSampleData({ database: system.url('monolith'), rows: 1_000, seed })
  await using processes = new PipelineProcesses(system)
  await waitUntil('the initial load to arrive', LIMIT_MS, () => isCaughtUp(system))

  const stopWorkload = new AbortController()
  const workload = runWorkload({ url: system.url('monolith'), seed, ratePerSecond: 'unlimited', signal: stopWorkload.signal })
  // A workload that fails must fail the test at once, not at its end.
  workload.catch(() => undefined)
  const faults = shuffled(random)
  for (const [i, fault] of faults.entries()) {
    const service = random.pick(system.services)
    const inFlight = await holdBack(system, processes, service)
    await new Promise((resolve) => setTimeout(resolve, random.between(0, DELAY_MS_MAX)))
    const struck = await inFlight()
    process.stderr.write(
      `fault ${i + 1} of ${FAULTS}: ${fault}${fault === 'kill projector' ? ` ${service}` : ''}, ${struck} events in flight\n`,
    )
    await strike(system, processes, fault, service)
    expect(struck, `events in flight at fault ${i + 1}`).toBeGreaterThanOrEqual(IN_FLIGHT_MIN)
  }
  stopWorkload.abort()
  await workload
  await waitUntil('everything to arrive', LIMIT_MS, () => isCaughtUp(system))

  await expectNothingLost(system)
  const verify = await runSluice(['verify', '--json'], system.env)
  expect(verify, verify.stderr).toMatchObject({ code: 0 })
})

/** Every kind equally often, in random order. */
function shuffled(random: Random): readonly Fault[] {
  const faults = Array.from({ length: FAULTS }, (_, i) => ({ fault: KINDS[i % KINDS.length]!, place: random.uint32() }))
  return faults.sort((a, b) => a.place - b.place).map(({ fault }) => fault)
}

/** Holds the relay until enough events wait, lets it go, and returns how to count what is on its way to a service. */
async function holdBack(system: TestSystem, processes: PipelineProcesses, service: string): Promise<() => Promise<number>> {
  const gap = async (): Promise<number> =>
    (await system.storedPosition('monolith')) - (await system.appliedPosition(service, 'monolith'))
  processes.get('relay').kill('SIGSTOP')
  try {
    await waitUntil(`${BACKLOG_EVENTS} events to wait`, LIMIT_MS, async () => (await gap()) >= BACKLOG_EVENTS)
  } finally {
    processes.get('relay').kill('SIGCONT')
  }
  return gap
}

async function strike(system: TestSystem, processes: PipelineProcesses, fault: Fault, service: string): Promise<void> {
  switch (fault) {
    case 'kill reader':
      return processes.killAndRestart('reader')
    case 'kill relay':
      return processes.killAndRestart('relay')
    case 'kill projector':
      return processes.killAndRestart(`projector ${service}`)
    case 'restart kafka':
      return system.servers.kafka.restart()
    case 'restart pipeline database':
      return system.servers.pipeline.restart()
  }
}

/** The WAL of every source is stored, and every stored event is applied in every service that consumes its lane. */
async function isCaughtUp(system: TestSystem): Promise<boolean> {
  const pipeline = await system.client('pipeline')
  for (const lane of lanesOf(system.definition)) {
    const source = await system.client(lane.source === 'monolith' ? 'monolith' : lane.source.service)
    const { rows: wal } = await source.query<{ lsn: string }>('SELECT pg_current_wal_lsn() AS lsn')
    // The WAL goes on by itself (checkpoints, heartbeats), so a source is caught up when a commit of ours would be.
    await source.query(`SELECT pg_logical_emit_message(true, 'sluice.test', '')`)
    const { rows } = await pipeline.query<{ stored: boolean }>(
      'SELECT greatest(stored_lsn, keepalive_lsn) >= $2::pg_lsn AS stored FROM lanes WHERE lane_name = $1',
      [lane.name, wal[0]?.lsn],
    )
    if (!rows[0]?.stored) return false
  }
  const { rows: lanes } = await pipeline.query<{ lane: string; name: string }>('SELECT lane, lane_name AS name FROM lanes')
  for (const service of system.services) {
    const { rows } = await (
      await system.client(service)
    ).query<{ name: string }>('SELECT lane_name AS name FROM projector_positions')
    for (const { name } of lanes.filter((lane) => rows.some((row) => row.name === lane.name))) {
      if ((await system.appliedPosition(service, name)) < (await system.storedPosition(name))) return false
    }
    if (rows.length === 0) return false
  }
  return true
}

/** The oracle: plain SQL and a plain consumer. */
async function expectNothingLost(system: TestSystem): Promise<void> {
  const pipeline = await system.client('pipeline')
  expect(await checkStore(pipeline)).toEqual([])

  const { rows } = await pipeline.query<{ lane: number; position: string }>('SELECT lane, position FROM lanes')
  const topics = await checkTopics({
    brokers: system.servers.kafka.url.split(','),
    registryUrl: system.servers.registry.url,
    topics: lanesOf(system.definition).flatMap((lane) => topicsOf(lane).map((topic) => topic.name)),
    expected: new Map(rows.map((row) => [row.lane, BigInt(row.position)])),
  })
  expect(topics.problems).toEqual([])
  expect(topics.messages).toBe(topics.distinct)

  for (const table of medcontracthubTables) {
    const difference = await compareRows(await system.client('monolith'), await system.client(table.service), table)
    expect(difference, `${table.service}.${table.table}`).toMatchObject({ missing: 0, extra: 0, different: 0 })
    expect(difference.sourceRows, `${table.service}.${table.table} has rows`).toBeGreaterThan(0)
  }
  const { source, pair } = medcontracthubAcrossServices
  expect(await compareRows(await system.client(source), await system.client(pair.service), pair)).toMatchObject({
    missing: 0,
    extra: 0,
    different: 0,
  })
  for (const service of system.services) {
    const { rows: parked } = await (
      await system.client(service)
    ).query('SELECT event_type, error_code, sqlstate FROM parked_events LIMIT 5')
    expect(parked, `${service} parked nothing`).toEqual([])
  }
}
