/**
 * Inserts, updates and deletes rows of every table that allows it, as the sample tables say.
 *
 * R1  A deleted row is one that no other refers to; where a look at some rows finds none, it is one that was inserted here.
 * R2  What is remembered of rows is bounded, and none of it is believed: a row that was rolled back is not found.
 */
import { quoteIdentifier } from '@sluice/core'
import { type ForeignKey, foreignKeysTo } from './foreign-keys.ts'
import { type LivingRow, amongKeys, keyLists, livingRows, unreferredAmong, unreferredKeys } from './living-rows.ts'
import { quotedTable } from './quoted-table.ts'
import { textOf } from './sample-row.ts'
import { withKey } from './sample-rows.ts'
import type { ParentRow, SampleTable } from './sample-table.ts'
import type { WeightedStep } from './steps.ts'
import type { WorkloadTransaction } from './transaction.ts'

/** Numbers of new rows, beyond those of any sample and below what an integer holds. */
const FIRST_NEW_NUMBER = 2 ** 30
const NEW_NUMBERS = 2 ** 30
/** Rows that one step changes. */
const ROWS_MAX = 3
/** Keys of new rows that are remembered, for each table. */
const REMEMBERED_MAX = 50
/** Of all changes of a table that allows each of them. */
const UPDATE_WEIGHT = 5
const INSERT_WEIGHT = 3
const DELETE_WEIGHT = 2

export class RandomChanges {
  readonly #tables: readonly SampleTable[]
  /** Keys of the last rows that were inserted. */
  readonly #inserted = new Map<SampleTable, readonly LivingRow[]>()
  readonly #foreignKeys = new Map<SampleTable, readonly ForeignKey[]>()

  /** @param tables Parents first. */
  constructor(tables: readonly SampleTable[]) {
    this.#tables = tables
  }

  /** Every table is as likely as another, so that the small ones change too. */
  steps(): readonly WeightedStep[] {
    return this.#tables.flatMap((sample): readonly WeightedStep[] => [
      [INSERT_WEIGHT, (t) => this.#insertRows(t, sample)],
      ...(sample.isUpdated ? [[UPDATE_WEIGHT, (t) => updateRows(t, sample)] satisfies WeightedStep] : []),
      ...(sample.isDeleted ? [[DELETE_WEIGHT, (t) => this.#deleteRows(t, sample)] satisfies WeightedStep] : []),
    ])
  }

  async #insertRows(t: WorkloadTransaction, sample: SampleTable): Promise<void> {
    for (let rows = t.random.between(1, ROWS_MAX); rows > 0; rows -= 1) await this.#insert(t, sample)
  }

  /** Null where a table that it refers to is empty. */
  async #insert(t: WorkloadTransaction, sample: SampleTable): Promise<LivingRow | null> {
    const parents: Record<string, ParentRow | null> = {}
    let isOwnParentMade = false
    for (const [name, parent] of Object.entries(sample.parents)) {
      if (t.random.chance(parent.nullShare)) {
        parents[name] = null
        continue
      }
      const isNew: boolean = parent.choice === 'distinct' && !isOwnParentMade
      isOwnParentMade ||= isNew
      const found = isNew ? await this.#insert(t, parent.sample) : await livingRow(t, parent.sample)
      if (found === null) return null
      parents[name] = found
    }
    const n = FIRST_NEW_NUMBER + t.random.between(0, NEW_NUMBERS - 1)
    const row = await t.insert(sample.table, withKey(sample, t.random.uint32(), n, sample.row(t.random, n, parents)))
    this.#remember(sample, row)
    return row
  }

  async #deleteRows(t: WorkloadTransaction, sample: SampleTable): Promise<void> {
    const { table } = sample
    const referring = await this.#referring(t, sample)
    const count = t.random.between(1, ROWS_MAX)
    let found = await unreferredKeys(t, table, referring, count)
    if (found.length === 0) found = await unreferredAmong(t, table, referring, this.#inserted.get(sample) ?? [], count)
    if (found.length === 0) return
    await t.delete(`DELETE FROM ${quotedTable(table)} WHERE ${amongKeys(table)}`, keyLists(table, found))
  }

  #remember(sample: SampleTable, row: LivingRow): void {
    const key = Object.fromEntries(sample.table.key.map((column) => [column, row[column] ?? null]))
    this.#inserted.set(sample, [...(this.#inserted.get(sample) ?? []).slice(1 - REMEMBERED_MAX), key])
  }

  async #referring(t: WorkloadTransaction, sample: SampleTable): Promise<readonly ForeignKey[]> {
    const known = this.#foreignKeys.get(sample)
    if (known) return known
    const read = await foreignKeysTo(t.client, sample.table)
    this.#foreignKeys.set(sample, read)
    return read
  }
}

async function livingRow(t: WorkloadTransaction, sample: SampleTable): Promise<LivingRow | null> {
  const [row] = await livingRows(t, sample.table, Object.keys(sample.table.sourceColumns), 1)
  return row ?? null
}

/** Each row has its own values, so that a unique column can be among them. */
async function updateRows(t: WorkloadTransaction, { table, change }: SampleTable): Promise<void> {
  const found = await livingRows(t, table, table.key, t.random.between(1, ROWS_MAX))
  for (const row of found) {
    const changed = Object.entries(change(t.random))
    const assignments = changed.map(([column], i) => `${quoteIdentifier(column)} = $${table.key.length + i + 1}`)
    await t.update(`UPDATE ${quotedTable(table)} SET ${assignments.join(', ')} WHERE ${amongKeys(table)}`, [
      ...keyLists(table, [row]),
      ...changed.map(([, value]) => textOf(value)),
    ])
  }
}
