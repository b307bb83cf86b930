/**
 * Kills and stops at random moments, under a workload: nothing lost, nothing doubled, order kept, all rows equal.
 *
 * Before each fault the relay is held (SIGSTOP) until at least `BACKLOG_EVENTS` stand between the store and the services,
 * then let go, and the fault strikes a random moment later, while those events are on their way. Where a machine was so fast, or the
 * test so slow, that fewer than `IN_FLIGHT_MIN` are left, they are held back again, and the moment is half as long.
 *
 * The seed is printed; SLUICE_TEST_SEED=N replays the choice of faults and moments.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { Random } from '@sluice/workload'
import demo from '@sluice/medcontracthub/demo'
import { expect, test } from 'vitest'
import { KAFKA_SETTINGS_FOR_KILLS } from '@sluice/infra'
import { catchingUp } from '../harness/caught-up.ts'
import { PipelineProcesses } from '../harness/pipeline-processes.ts'
import { runSluice } from '../harness/sluice-process.ts'
import { startTestServers } from '../harness/test-servers.ts'
import { startTestSystem, type TestSystem } from '../harness/test-system.ts'
import { waitUntil } from '../harness/wait-until.ts'
import { placesOf } from '../harness/pipeline-places.ts'
import { medcontracthubNames } from '../oracle/medcontracthub-names.ts'
import { SecondSlot } from '../oracle/second-slot.ts'
import { askOracle } from '../oracle/whole-pipeline.ts'

const FAULTS = 20
const IN_FLIGHT_MIN = 1_000
/** Held back before a fault, so that enough is still on its way when it strikes. */
const BACKLOG_EVENTS = 4_000
const DELAY_MS_MAX = 120
const LIMIT_MS = 240_000
const SYSTEM = new URL('../../schemas/medcontracthub/system.ts', import.meta.url)

type Fault = 'kill reader' | 'kill relay' | 'kill projector' | 'restart kafka' | 'restart pipeline database'
const KINDS: readonly Fault[] = ['kill reader', 'kill relay', 'kill projector', 'restart kafka', 'restart pipeline database']

test(`${FAULTS} faults at random: no event lost, none doubled, none applied twice, all rows equal`, async () => {
  const seed = Number(process.env['SLUICE_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  process.stderr.write(`random faults: seed ${seed}\n`)
  const random = new Random(seed)
  await using servers = await startTestServers({ kafkaSettings: KAFKA_SETTINGS_FOR_KILLS })
  await using system = await startTestSystem(servers, SYSTEM)
  await demo.fill({ database: system.url('monolith'), rows: 3_300, seed })
  const secondSlot = await SecondSlot.begin({ url: system.url('monolith'), lane: 'monolith', names: medcontracthubNames })
  await using processes = new PipelineProcesses(system)
  await waitUntil('the initial load to arrive', LIMIT_MS, catchingUp(system))

  const stopWorkload = new AbortController()
  const workload = demo.runWorkload({
    url: system.url('monolith'),
    seed,
    ratePerSecond: 'unlimited',
    signal: stopWorkload.signal,
  })
  // A workload that fails must fail the test at once, not at its end.
  workload.catch(() => undefined)
  const faults = shuffled(random)
  for (const [i, fault] of faults.entries()) {
    const service = random.pick(system.services)
    const struck = await eventsInFlight(system, processes, service, random.between(0, DELAY_MS_MAX))
    process.stderr.write(
      `fault ${i + 1} of ${FAULTS}: ${fault}${fault === 'kill projector' ? ` ${service}` : ''}, ${struck} events in flight\n`,
    )
    await strike(system, processes, fault, service)
  }
  stopWorkload.abort()
  await workload
  await waitUntil('everything to arrive', LIMIT_MS, catchingUp(system))

  await expectNothingLost(system, secondSlot)
  const verify = await runSluice(['verify', '--json'], system.env)
  expect(verify, verify.stderr).toMatchObject({ code: 0 })
})

/** Every kind equally often, in random order. */
function shuffled(random: Random): readonly Fault[] {
  const faults = Array.from({ length: FAULTS }, (_, i) => ({ fault: KINDS[i % KINDS.length]!, place: random.uint32() }))
  return faults.sort((a, b) => a.place - b.place).map(({ fault }) => fault)
}

/** Lets the relay go with enough events behind it, for a moment. @returns how many are on their way to a service then, `IN_FLIGHT_MIN` at least */
async function eventsInFlight(
  system: TestSystem,
  processes: PipelineProcesses,
  service: string,
  momentMs: number,
): Promise<number> {
  const gap = async (): Promise<number> =>
    (await system.storedPosition('monolith')) - (await system.appliedPosition(service, 'monolith'))
  const relay = processes.get('relay')
  relay.kill('SIGSTOP')
  try {
    for (let ms = momentMs; ; ms /= 2) {
      await waitUntil(`${BACKLOG_EVENTS} events to wait`, LIMIT_MS, async () => (await gap()) >= BACKLOG_EVENTS)
      relay.kill('SIGCONT')
      await delay(ms)
      // It is counted while nothing more is sent.
      relay.kill('SIGSTOP')
      const inFlight = await gap()
      if (inFlight >= IN_FLIGHT_MIN) return inFlight
    }
  } finally {
    relay.kill('SIGCONT')
  }
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

/** The oracle: plain SQL, the source's own WAL, and a plain consumer. */
async function expectNothingLost(system: TestSystem, secondSlot: SecondSlot): Promise<void> {
  const report = await askOracle({ ...placesOf(system), secondSlot })
  expect(report.problems).toEqual([])
  expect(report).toMatchObject({ lost: 0, doubled: 0, outOfOrder: 0 })
  expect(report.messages).toBe(report.events)
}
