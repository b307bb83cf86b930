/**
 * Commit in the monolith to commit in the service at a steady rate, by the servers' own commit timestamps
 * (`track_commit_timestamp`); both run on one clock here. Updates are left out: a row's two commits must be the same change.
 */
import type { Client } from 'pg'
import { commitTimes, percentile } from '../../harness/commit-latency.ts'
import type { TestSystem } from '../../harness/test-system.ts'
import { waitUntil } from '../../harness/wait-until.ts'
import { countRows, fillRows } from '../fill.ts'
import type { BenchResult } from '../result.ts'
import { Usage } from '../usage.ts'

const LIMIT_MS = 60_000
/** Before it is measured: a broker that has just started compiles its own code for that long, on the same cores. */
const WARM_UP_SECONDS = 30

export async function latency(system: TestSystem, rowsPerSecond: number, seconds: number): Promise<BenchResult> {
  await system.startOnce()
  const monolith = await system.client('monolith')
  const service = await system.client('copy')
  const processes = system.startAll()
  const warmUp = rowsPerSecond * WARM_UP_SECONDS
  await fillAtPace(monolith, { first: 1, rows: warmUp, rowsPerSecond })
  await waitUntil('the pipeline to run', LIMIT_MS, async () => (await countRows(service)) >= warmUp)

  const usage = new Usage(processes)
  const first = warmUp + 1
  const rows = rowsPerSecond * seconds
  const startedAt = performance.now()
  await fillAtPace(monolith, { first, rows, rowsPerSecond })
  await waitUntil('the last row in the service', LIMIT_MS, async () => (await countRows(service)) >= first - 1 + rows)
  const ms = performance.now() - startedAt
  const delays = await commitTimes(monolith, service, { table: 'rows', key: 'id', above: String(first - 1) })
  return {
    scenario: `latency at ${rowsPerSecond} rows/s`,
    rows,
    ms: Math.round(ms),
    rowsPerSecond: Math.round((rows / ms) * 1000),
    p50Ms: percentile(delays, 0.5),
    p99Ms: percentile(delays, 0.99),
    rssMiBMax: usage.rssMiBMax(),
    cpuMicrosPerEvent: Math.round(usage.cpuMicrosSinceStart() / rows),
  }
}

/** A row a commit. */
async function fillAtPace(
  client: Client,
  { first, rows, rowsPerSecond }: { first: number; rows: number; rowsPerSecond: number },
): Promise<void> {
  const startedAt = performance.now()
  for (let n = 0; n < rows; n += 1) {
    const early = startedAt + (n * 1000) / rowsPerSecond - performance.now()
    // A pace, not a wait for anything: the next commit is due then.
    if (early > 1) await new Promise((resolve) => setTimeout(resolve, early))
    await fillRows(client, first + n, first + n, 1)
  }
}
