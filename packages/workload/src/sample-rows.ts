/**
 * The rows that a monolith is filled with. Each follows from the seed, its table and its number, so that nothing is kept in
 * memory, and a row finds its parents by making them again.
 */
import { SluiceError } from '@sluice/core'
import { Random, rowSeed, sampleId } from './random.ts'
import type { SampleRow, SampleValue } from './sample-row.ts'
import type { Parent, ParentRow, SampleTable } from './sample-table.ts'

export class SampleRows {
  readonly #seed: number
  readonly #counts: ReadonlyMap<SampleTable, number>

  constructor(seed: number, counts: ReadonlyMap<SampleTable, number>) {
    this.#seed = seed
    this.#counts = counts
  }

  /** @param n From 0 to below the table's count. */
  row(sample: SampleTable, n: number): SampleRow {
    const random = new Random(rowSeed(this.#seed, sample.name, n))
    const parents: Record<string, ParentRow | null> = {}
    let turn = n
    for (const [name, parent] of Object.entries(sample.parents)) {
      const count = this.#counts.get(parent.sample) ?? 0
      if (parent.choice === 'distinct') {
        parents[name] = this.#parent(sample, parent, turn % count)
        turn = Math.floor(turn / count)
      } else {
        parents[name] = random.chance(parent.nullShare) ? null : this.#parent(sample, parent, random.between(0, count - 1))
      }
    }
    const row = sample.row(random, n, parents)
    assertValues(sample, row)
    return withKey(sample, this.#seed, n, row)
  }

  #parent(child: SampleTable, { sample }: Parent, n: number): ParentRow {
    const row = this.row(sample, n)
    const missing = sample.table.key.find((column) => row[column] === undefined)
    if (missing === undefined) return row
    throw new SluiceError('SYSTEM_INVALID', {
      what: `sample rows of ${child.name} have no parent`,
      why: `${child.name} refers to ${sample.name}, whose row does not name its key column ${missing}`,
      ways: [`let row of ${sample.name} give it, such as  ${missing}: n + 1`],
    })
  }
}

/** A column of a parent that the parent's row does not name would be NULL without a word. */
function assertValues(sample: SampleTable, row: Readonly<Record<string, SampleValue | undefined>>): void {
  const column = Object.keys(row).find((name) => row[name] === undefined)
  if (column === undefined) return
  throw new SluiceError('SYSTEM_INVALID', {
    what: `a sample row of ${sample.name} has no value for ${column}`,
    why: 'it comes from a column that the row of its parent does not name, so that the database gives it its default',
    ways: ['let the row of the parent name the column'],
  })
}

/** The row with its key, where that is one uuid and not given. */
export function withKey(sample: SampleTable, seed: number, n: number, row: SampleRow): SampleRow {
  const [column, ...more] = sample.table.key
  if (column === undefined || more.length > 0 || column in row) return row
  if (sample.table.sourceColumns[column]?.sqlType !== 'uuid') return row
  return { [column]: sampleId(seed, sample.name, n), ...row }
}

/**
 * Rows for each table: `rows` in all, about, shared out in proportion, and one at least.
 *
 * @param tables Parents first.
 */
export function sampleCounts(tables: readonly SampleTable[], rows: number): ReadonlyMap<SampleTable, number> {
  const total = tables.reduce((sum, { share }) => sum + share, 0)
  const counts = new Map<SampleTable, number>()
  for (const sample of tables) {
    const distinct = Object.values(sample.parents).filter(({ choice }) => choice === 'distinct')
    const most = distinct.length === 0 ? Infinity : distinct.reduce((product, p) => product * (counts.get(p.sample) ?? 0), 1)
    counts.set(sample, Math.min(most, Math.max(1, Math.round((rows * sample.share) / total))))
  }
  return counts
}
