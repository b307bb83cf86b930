/**
 * `npm run test:faults`: the fault suite. docs/faults.md speaks of it.
 *
 *   --seed N           decides which faults strike, where and in which order; printed, so that a run can be made again
 *   --only NAME,...    kinds or points, whole or by their beginning: kill, relay., crash-kafka
 *   --faults N         how many; five of each kind, if it is not given
 *   --postgres N       15, 16, 17 or 18
 *   --json             the counts as JSON on standard output
 *
 * Ends with 0 if everything held, with 1 if something did not after a fault struck, with 2 if it was asked wrongly, and with 3 if
 * something failed before any fault struck: then nothing was tried.
 */
import { parseArgs } from 'node:util'
import { KAFKA_SETTINGS_FOR_KILLS, POSTGRES_MAJORS, VERSIONS, type PostgresMajor } from '@sluice/infra'
import { startTestServers } from '../../harness/test-servers.ts'
import { FAULT_KINDS, kindsNamed } from './fault-kinds.ts'
import { type Round, planRounds } from './fault-plan.ts'
import { FaultReport, summaryText } from './fault-report.ts'
import { runRound } from './round.ts'
import { Seed } from './seed.ts'
import { startProxies } from './stage.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    only: { type: 'string' },
    faults: { type: 'string' },
    postgres: { type: 'string', default: VERSIONS.postgres },
    json: { type: 'boolean', default: false },
  },
})

const EXIT_DOES_NOT_HOLD = 1
const EXIT_NOTHING_TRIED = 3

/** Transactions in progress are streamed from this size on, so that most of the larger ones are. */
const MONOLITH_SETTINGS = { logical_decoding_work_mem: '64kB' }

function usage(complaint: string): never {
  process.stderr.write(`${complaint}\n`)
  process.exit(2)
}

function wholeNumber(name: string, text: string): number {
  const number = Number(text)
  return Number.isSafeInteger(number) && number >= 0 ? number : usage(`--${name} takes a whole number, not "${text}"`)
}

function postgresMajor(text: string): PostgresMajor {
  return POSTGRES_MAJORS.find((major) => major === text) ?? usage(`--postgres takes one of ${POSTGRES_MAJORS.join(', ')}`)
}

const say = (line: string): void => void process.stderr.write(`${line}\n`)

/** @throws Error with what does not hold */
async function run(seed: Seed, postgres: PostgresMajor, rounds: readonly Round[], report: FaultReport): Promise<void> {
  await using servers = await startTestServers({
    postgres,
    monolithSettings: MONOLITH_SETTINGS,
    kafkaSettings: KAFKA_SETTINGS_FOR_KILLS,
  })
  const proxies = await startProxies(servers)
  try {
    for (const [i, round] of rounds.entries()) {
      await runRound({ servers, proxies, seed: seed.of(`round ${i}`) }, i, round, report)
    }
  } finally {
    await Promise.all(Object.values(proxies).map((proxy) => proxy[Symbol.asyncDispose]()))
  }
  const lacking = report.lacking()
  if (lacking.length > 0) throw new Error(lacking.join('\n'))
}

/** Of an error that was met while cleaning up after another one, both: the first is the cause. */
function told(error: unknown): string {
  if (error instanceof SuppressedError) return `${told(error.suppressed)}\nand, while cleaning up: ${told(error.error)}`
  return error instanceof Error ? error.message : String(error)
}

const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : wholeNumber('seed', values.seed)
const postgres = postgresMajor(values.postgres)
const kinds = values.only === undefined ? FAULT_KINDS : kindsNamed(values.only.split(','))
const faults = values.faults === undefined ? undefined : wholeNumber('faults', values.faults)
const rounds = planRounds(new Seed(seed).of('plan').random(), kinds, faults)
const planned = rounds.flat().map((kind) => kind.name)
const report = new FaultReport(planned, say)
say(`${planned.length} faults in ${rounds.length} rounds, PostgreSQL ${postgres}, seed ${seed}`)
try {
  await run(new Seed(seed), postgres, rounds, report)
  const summary = report.summary({ seed, postgres })
  say(`\n${summaryText(summary)}`)
  if (values.json) process.stdout.write(`${JSON.stringify(summary)}\n`)
  process.exit(0)
} catch (error) {
  const again = ['only', 'faults'] as const
  const options = again.flatMap((name) => (values[name] === undefined ? [] : [` --${name} ${values[name]}`])).join('')
  const { struckLast } = report
  say(`\n${struckLast === null ? 'before any fault struck' : `found after ${struckLast}`}:`)
  say(`${told(error)}\n`)
  say(`again: npm run test:faults -- --seed ${seed} --postgres ${postgres}${options}`)
  process.exit(struckLast === null ? EXIT_NOTHING_TRIED : EXIT_DOES_NOT_HOLD)
}
