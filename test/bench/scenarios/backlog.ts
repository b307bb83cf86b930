/** A backlog of commits in the WAL, made while Sluice is stopped, then all processes at once. */
import type { TestSystem } from '../../harness/test-system.ts'
import { measureArrival } from '../arrival.ts'
import { countRows, fillRows } from '../fill.ts'
import type { BenchResult } from '../result.ts'

const ROWS_PER_COMMIT = 100

export async function backlog(system: TestSystem, rows: number): Promise<BenchResult> {
  await system.startOnce()
  await fillRows(await system.client('monolith'), 1, rows, ROWS_PER_COMMIT)
  return measureArrival('backlog', rows, system.startAll(), () => system.client('copy').then(countRows))
}
