/** Rows that arrive somewhere, timed from the first one seen to the last: starting up is not counted, for peers neither. */
import type { SluiceProcess } from '../harness/sluice-process.ts'
import { waitUntil } from '../harness/wait-until.ts'
import type { BenchResult } from './result.ts'
import { Usage } from './usage.ts'

/** A wait ends after 15 minutes, or later where at 2,500 rows a second it takes longer: a slow machine is no hang. */
const LIMIT_MS = 900_000
const SLOWEST_ROWS_PER_SECOND = 2_500

/**
 * @param rows How many must be there in the end.
 * @param count How many are there now.
 */
export async function measureArrival(
  scenario: string,
  rows: number,
  processes: Readonly<Record<string, SluiceProcess>>,
  count: () => Promise<number>,
): Promise<BenchResult> {
  const usage = new Usage(processes)
  const limitMs = Math.max(LIMIT_MS, (rows / SLOWEST_ROWS_PER_SECOND) * 1_000)
  const atStart = await waitUntil(`${scenario}: the first row`, limitMs, count)
  const startedAt = performance.now()
  await waitUntil(`${scenario}: the last row`, limitMs, async () => (await count()) >= rows)
  const ms = performance.now() - startedAt
  const measured = rows - atStart
  return {
    scenario,
    rows: measured,
    ms: Math.round(ms),
    rowsPerSecond: Math.round((measured / ms) * 1000),
    p50Ms: null,
    p99Ms: null,
    rssMiBMax: usage.rssMiBMax(),
    cpuMicrosPerEvent: Math.round((usage.cpuMicrosSinceStart() / rows) * 10) / 10,
  }
}
