/**
 * `npm run bench`: every scenario on real servers and processes, each in databases and topics of its own.
 *
 *   --json            one JSON object a scenario, a line each
 *   --only NAME,...   reader, backlog, latency, load, transaction
 *   --rows N          rows of reader and backlog (default 300,000), and of transaction (500,000)
 *   --check           ends with 1 if a process of Sluice took more than 512 MiB, or if the service has other rows than the monolith
 *   --rss-max MIB     another bound for --check
 */
import { parseArgs } from 'node:util'
import { startTestServers } from '../harness/test-servers.ts'
import { startTestSystem, type TestSystem } from '../harness/test-system.ts'
import { describeMachine } from './machine.ts'
import { RSS_MIB_MAX, brokenPromises } from './promises.ts'
import type { BenchResult } from './result.ts'
import { backlog } from './scenarios/backlog.ts'
import { initialLoad } from './scenarios/initial-load.ts'
import { largeTransaction } from './scenarios/large-transaction.ts'
import { latency } from './scenarios/latency.ts'
import { readerAlone } from './scenarios/reader-alone.ts'

const SYSTEM = new URL('./system/system.ts', import.meta.url)
const LATENCY_ROWS_PER_SECOND = 500
const LATENCY_SECONDS = 30

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    only: { type: 'string' },
    rows: { type: 'string' },
    check: { type: 'boolean', default: false },
    'rss-max': { type: 'string' },
  },
})
const rows = Number(values.rows ?? 300_000)
const rssMiBMax = Number(values['rss-max'] ?? RSS_MIB_MAX)
if (!(rssMiBMax > 0)) {
  process.stderr.write(`--rss-max takes a number of MiB, and "${values['rss-max']}" is none\n`)
  process.exit(2)
}
const scenarios: Readonly<Record<string, (system: TestSystem) => Promise<BenchResult>>> = {
  reader: (system) => readerAlone(system, rows),
  backlog: (system) => backlog(system, rows),
  latency: (system) => latency(system, LATENCY_ROWS_PER_SECOND, LATENCY_SECONDS),
  load: (system) => initialLoad(system, 1_000_000),
  transaction: (system) => largeTransaction(system, Number(values.rows ?? 500_000)),
}
const wanted = values.only?.split(',') ?? Object.keys(scenarios)
const unknown = wanted.filter((name) => !Object.hasOwn(scenarios, name))
if (unknown.length > 0) {
  process.stderr.write(`no such scenario: ${unknown.join(', ')}; there are ${Object.keys(scenarios).join(', ')}\n`)
  process.exit(2)
}

const machine = describeMachine()
process.stderr.write(
  `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.os}, Node ${machine.node}; everything on this machine\n`,
)
for (const name of wanted) {
  process.stderr.write(`${name} …\n`)
  await using servers = await startTestServers()
  await using system = await startTestSystem(servers, SYSTEM)
  const result = await scenarios[name]!(system)
  print(result)
  if (values.check) await check(system, result)
}

async function check(system: TestSystem, result: BenchResult): Promise<void> {
  const broken = await brokenPromises(system, result, rssMiBMax)
  for (const line of broken) process.stderr.write(`${line}\n`)
  if (broken.length > 0) process.exitCode = 1
  else process.stderr.write(`${result.scenario}: every process within ${rssMiBMax} MiB, and no difference found\n`)
}

function print(result: BenchResult): void {
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ ...result, machine })}\n`)
    return
  }
  const memory = Object.entries(result.rssMiBMax).map(([name, mib]) => `${name} ${mib} MiB`)
  const delays = result.p50Ms === null ? '' : `, p50 ${result.p50Ms} ms, p99 ${result.p99Ms} ms`
  process.stdout.write(
    `${result.scenario}: ${result.rows.toLocaleString('en')} rows in ${(result.ms / 1000).toFixed(1)} s, ` +
      `${result.rowsPerSecond.toLocaleString('en')} rows/s${delays}, ${result.cpuMicrosPerEvent} µs CPU an event; ${memory.join(', ')}\n`,
  )
}
