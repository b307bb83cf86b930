import { BACKFILL_THROTTLE, secondsLeft } from '@sluice/store'
import { expect, test } from 'vitest'
import { BackfillPace } from './backfill-brake.ts'

const ROWS = 30_000
/** Of a chunk, from its query to its place in the store. */
const WORK_MS = 20
/** Without a rate. */
const CHUNK_ROWS = 1_000

/** A run as the worker does it, on a clock of its own. */
function estimateAtHalfWay(rateAt: (rowsRead: number) => number | null): { readonly estimated: number; readonly actual: number } {
  const pace = new BackfillPace(0)
  let now = 0
  let half: { readonly at: number; readonly estimated: number } | null = null
  for (let rowsRead = 0; ;) {
    const rate = rateAt(rowsRead)
    const rows = Math.min(ROWS - rowsRead, rate === null ? CHUNK_ROWS : Math.ceil(rate / 4))
    rowsRead += rows
    pace.begins(rate, now)
    const at = now + WORK_MS
    const rowsPerSecond = pace.passed(rows, at)
    if (rowsRead === ROWS) return { estimated: half!.estimated, actual: (at - half!.at) / 1000 }
    if (half === null && rowsRead * 2 >= ROWS) {
      const throttle = { ...BACKFILL_THROTTLE, rowsPerSecondMax: rate }
      const run = { rowsEstimate: BigInt(ROWS), rowsRead: BigInt(rowsRead), rowsPerSecond, isRangeRead: false, throttle }
      half = { at, estimated: secondsLeft(run)! }
    }
    now = rate === null ? at : Math.max(at, now + (rows / rate) * 1000)
  }
}

test.each([
  { what: 'without a rate', before: null, after: null },
  { what: 'with a rate', before: 400, after: 400 },
  { what: 'with a rate that is lowered at a third', before: 2_000, after: 100 },
  { what: 'with a rate that is raised at a third', before: 200, after: 4_000 },
  { what: 'with a rate that is lifted at a third', before: 400, after: null },
  { what: 'with a rate that is given at a third', before: null, after: 400 },
])('at half way of a run $what, the estimate of its end is within 30 %', ({ before, after }) => {
  const { estimated, actual } = estimateAtHalfWay((rowsRead) => (rowsRead * 3 < ROWS ? before : after))
  expect(estimated / actual).toBeGreaterThan(0.7)
  expect(estimated / actual).toBeLessThan(1.3)
})

test('a run whose rate is given has an end that its rate allows from the first chunk on', () => {
  const throttle = { ...BACKFILL_THROTTLE, rowsPerSecondMax: 100 }
  const rowsPerSecond = new BackfillPace(0).passed(25, WORK_MS)
  expect(secondsLeft({ rowsEstimate: 1_025n, rowsRead: 25n, rowsPerSecond, isRangeRead: false, throttle })).toBe(10)
})
