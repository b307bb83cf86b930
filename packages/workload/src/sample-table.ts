/**
 * How rows of one captured table are made and changed: what a system says about a table, so that the kit can fill it and
 * let a workload run on it.
 */
import { type CapturedTable, qualifiedName } from '@sluice/system'
import type { Random } from './random.ts'
import type { SampleRow, SampleValue } from './sample-row.ts'

/**
 * A row of a parent. While the monolith is filled it has the columns that its `row` names, as that gave them; in the workload all of
 * them, as PostgreSQL's text.
 */
export type ParentRow<Column extends string = string> = Readonly<Record<Column, SampleValue>>

/** A table that rows refer to, and how a row gets its parent. */
export interface Parent<Column extends string = string, Found extends ParentRow<Column> | null = ParentRow<Column> | null> {
  readonly sample: SampleTable<Column>
  /**
   * `any`: any row. `distinct`: no two rows have the same parents of this kind, see `distinct`.
   */
  readonly choice: 'any' | 'distinct'
  /** Share of rows that have no parent. */
  readonly nullShare: number
  /** For the type alone: what `row` is given. */
  readonly found?: Found
}

type Parents = Readonly<Record<string, SampleTable | Parent>>

/** What `row` is given for the parents that it names. */
export type ParentRows<P extends Parents> = {
  readonly [N in keyof P]: P[N] extends Parent<string, infer Found>
    ? Found
    : P[N] extends SampleTable<infer C>
      ? ParentRow<C>
      : never
}

export interface SampleTable<Column extends string = string> {
  readonly kind: 'sample'
  readonly table: CapturedTable<string, Column>
  /** `public.clients` */
  readonly name: string
  readonly share: number
  readonly parents: Readonly<Record<string, Parent>>
  readonly isUpdated: boolean
  readonly isDeleted: boolean
  row(random: Random, n: number, parents: Readonly<Record<string, ParentRow | null>>): SampleRow
  readonly change: (random: Random) => SampleRow
}

interface SampleTableOptions<P extends Parents> {
  /** Rows of this table in proportion to the others': 10 has ten times the rows of 1. Every table has a row at least. */
  readonly share: number
  /** Tables that the row refers to; they are filled first. */
  readonly parents?: P
  /**
   * A row. The same seed gives the same rows, so nothing comes from the clock.
   *
   * @param n Number of the row in its table: from 0 while the monolith is filled, drawn from 2^30 to below 2^31 in the
   *   workload. Unique values and keys are made of it; where a number is drawn twice, the transaction is rolled back.
   * @returns every column that has no default. A key of one uuid column is made by the kit unless it is here; an integer
   *   key may be left to the database, but not where other tables refer to it.
   */
  readonly row: (random: Random, n: number, parents: ParentRows<P>) => SampleRow
}

/** What the workload may do to rows; it always inserts. */
type Changes =
  | {
      /** The columns that an update sets, never of the key. */
      readonly change: (random: Random) => SampleRow
      /** The workload deletes none. @default false */
      readonly isNeverDeleted?: boolean
      readonly isInsertOnly?: never
    }
  /** The monolith only ever adds rows. */
  | { readonly isInsertOnly: true; readonly change?: never; readonly isNeverDeleted?: never }

export function sampleTable<const Column extends string, const P extends Parents = Record<string, never>>(
  table: CapturedTable<string, Column>,
  options: SampleTableOptions<P> & Changes,
): SampleTable<Column> {
  const { change } = options
  return {
    kind: 'sample',
    table,
    name: qualifiedName(table),
    share: options.share,
    parents: Object.fromEntries(
      Object.entries<SampleTable | Parent>(options.parents ?? {}).map(([name, parent]) => [
        name,
        'kind' in parent ? anyRowOf(parent) : parent,
      ]),
    ),
    isUpdated: change !== undefined,
    isDeleted: change !== undefined && options.isNeverDeleted !== true,
    row: options.row,
    change: change ?? (() => ({})),
  }
}

function anyRowOf(sample: SampleTable): Parent {
  return { sample, choice: 'any', nullShare: 0 }
}

/** A parent that a share of the rows does not have. */
export function optional<Column extends string>(
  sample: SampleTable<Column>,
  nullShare: number,
): Parent<Column, ParentRow<Column> | null> {
  return { sample, choice: 'any', nullShare }
}

/**
 * A parent for a unique constraint: no two rows have the same ones. With one such parent, each row has a parent of its own; with
 * two, no pair comes twice. The table has no more rows than there are pairs, and a row that the workload inserts comes with a
 * new row of its first such parent.
 */
export function distinct<Column extends string>(sample: SampleTable<Column>): Parent<Column, ParentRow<Column>> {
  return { sample, choice: 'distinct', nullShare: 0 }
}
