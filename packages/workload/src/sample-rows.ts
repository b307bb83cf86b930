/**
 * The rows that a monolith is filled with. Each follows from the seed, its table and its number, so that nothing is kept in
 * memory, and a row finds its parents by making them again.
 */
import { SluiceError } from '@sluice/core'
import { Random, rowSeed, sampleId } from './random.ts'
import type { SampleRow } from './sample-row.ts'
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
    return withKey(sample, this.#seed, n, sample.row(random, n, parents))
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
