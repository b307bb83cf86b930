/** The initial load of a table that is there before Sluice is. */
import type { TestSystem } from '../../harness/test-system.ts'
import { measureArrival } from '../arrival.ts'
import { countRows, fillRows } from '../fill.ts'
import type { BenchResult } from '../result.ts'

const ROWS_PER_COMMIT = 50_000

export async function initialLoad(system: TestSystem, rows: number): Promise<BenchResult> {
  await fillRows(await system.client('monolith'), 1, rows, ROWS_PER_COMMIT)
  return measureArrival('initial load', rows, system.startAll(), () => system.client('copy').then(countRows))
}
