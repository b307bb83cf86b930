/** Changes of a table as a busy application makes them, the same for a seed: new and loaded rows, updates with values unsent, new keys, removals, truncates. */
import type { RowText } from '@sluice/core'
import type { Change } from './notice-board.ts'

const IDS = 40
/** Longer than what a comparison holds of a text. */
export const LONG_TEXT = 'naïve “clinical” equipment '.repeat(30)

/** Numbers below a bound, the same for a seed (a linear congruential generator; nobody's secret depends on it). */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return Math.floor((state / 2 ** 31) * below)
  }
}

export function randomChanges(count: number, seed: number): readonly Change[] {
  const random = numbers(seed)
  const rows = new Set<number>()
  const row = (id: number): RowText => ({
    id: String(id),
    title: `notice ${random(1_000)}`,
    body: [null, 'Zürich\n"東京" 🚰', LONG_TEXT][random(3)]!,
    labels: [null, '{}', '{a,"b c"}'][random(3)]!,
    pages: random(2) === 0 ? null : String(random(90)),
  })
  return Array.from({ length: count }, (_, n): Change => {
    if (n === Math.floor(count / 3)) {
      rows.clear()
      return { id: 0, data: { op: 't' } }
    }
    const id = random(IDS)
    if (!rows.has(id)) {
      rows.add(id)
      return { id, data: { op: random(2) === 0 ? 'c' : 'r', after: row(id) } }
    }
    const free = IDS + n
    switch (random(6)) {
      case 0:
        rows.delete(id)
        return { id, data: { op: 'd', before: { id: String(id) } } }
      case 1:
        rows.delete(id)
        rows.add(free)
        return { id, data: { op: 'u', before: { id: String(id) }, after: row(free) } }
      case 2:
        return { id, data: { op: 'u', after: without(row(id), 'body') } }
      default:
        return { id, data: { op: 'u', after: row(id) } }
    }
  })
}

/** A value out of line that did not change is not sent. */
export function without(row: RowText, column: string): RowText {
  return Object.fromEntries(Object.entries(row).filter(([name]) => name !== column))
}
