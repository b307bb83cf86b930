import { expect, test } from 'vitest'
import { TimeLeft } from './time-left.ts'

/** Work of 1,000 pieces; gives what was estimated at half way, and what came true. */
function halfWay(millisecondsOf: (piece: number) => number): { readonly estimated: number; readonly true: number } {
  let clock = 1_000_000
  const left = new TimeLeft(() => clock)
  let [estimated, halfAt] = [Number.NaN, 0]
  for (let piece = 0; piece <= 1_000; piece += 1) {
    const seconds = left.seconds(piece, 1_000)
    if (piece === 500) [estimated, halfAt] = [seconds ?? Number.NaN, clock]
    if (piece < 1_000) clock += millisecondsOf(piece)
  }
  return { estimated, true: (clock - halfAt) / 1000 }
}

test.each<[string, (piece: number) => number]>([
  ['goes on as it went', () => 20],
  ['stutters', (piece) => (piece % 50 === 0 ? 500 : 10)],
  ['gets a fifth slower', (piece) => 20 + (piece * 4) / 1_000],
  ['gets a fifth faster', (piece) => 20 - (piece * 4) / 1_000],
])('at half way of work that %s, the estimate of the end is within 30 %%', (_, millisecondsOf) => {
  const { estimated, true: trueSeconds } = halfWay(millisecondsOf)
  expect(Math.abs(estimated - trueSeconds) / trueSeconds).toBeLessThan(0.3)
})

test('work that was begun before counts from where it was first looked at', () => {
  let clock = 0
  const left = new TimeLeft(() => clock)
  expect(left.seconds(900, 1_000)).toBeNull()
  clock = 10_000
  expect(left.seconds(950, 1_000)).toBe(10)
})

test('nothing is told before anything was done, and no time is left at the end', () => {
  let clock = 0
  const left = new TimeLeft(() => clock)
  left.seconds(0, 10)
  clock = 10_000
  expect(left.seconds(0, 10)).toBeNull()
  expect(left.seconds(10, 10)).toBe(0)
  expect(left.seconds(12, 10)).toBe(0)
})
