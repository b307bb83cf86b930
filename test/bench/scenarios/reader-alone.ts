/** A backlog into the event store, with versions, ids and the chain; relay and projector are stopped. */
import type { TestSystem } from '../../harness/test-system.ts'
import { measureArrival } from '../arrival.ts'
import { fillRows } from '../fill.ts'
import type { BenchResult } from '../result.ts'

const ROWS_PER_COMMIT = 100

export async function readerAlone(system: TestSystem, rows: number): Promise<BenchResult> {
  await system.startOnce()
  const before = await system.storedPosition('monolith')
  await fillRows(await system.client('monolith'), 1, rows, ROWS_PER_COMMIT)
  const reader = system.start('reader', ['run', 'reader', 'monolith'])
  return measureArrival('reader alone', rows, { reader }, async () => (await system.storedPosition('monolith')) - before)
}
