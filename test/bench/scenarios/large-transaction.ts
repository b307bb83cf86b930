/** One transaction of many rows, committed while everything runs: no process may hold it whole. */
import type { TestSystem } from '../../harness/test-system.ts'
import { measureArrival } from '../arrival.ts'
import { countRows, fillRows } from '../fill.ts'
import type { BenchResult } from '../result.ts'

export async function largeTransaction(system: TestSystem, rows: number): Promise<BenchResult> {
  await system.startOnce()
  const processes = system.startAll()
  await fillRows(await system.client('monolith'), 1, rows, rows)
  return measureArrival('one transaction', rows, processes, () => system.client('copy').then(countRows))
}
