/** SQL over the primary key of a table, in the order the source itself gives its keys: type by type, in its own collation. */
import { quoteIdentifier, quoteQualified } from '@sluice/core'
import { type CapturedTable, qualifiedName } from '@sluice/system'
import type { ClientBase } from 'pg'
import type { CatalogTable } from './source-catalog.ts'

export interface KeyColumn {
  readonly name: string
  /** Type name for casts, from the catalog. */
  readonly baseType: string
  readonly collation: readonly [schema: string, name: string] | null
}

export type KeyColumns = readonly KeyColumn[]

export function keyColumnsOf(table: CapturedTable, catalog: ReadonlyMap<string, CatalogTable>): KeyColumns {
  const columns = catalog.get(qualifiedName(table))?.columns
  return table.key.map((name) => {
    const column = columns?.get(name)
    if (!column) throw new Error(`${qualifiedName(table)}.${name} was not read from the catalog`)
    return { name, baseType: column.baseType, collation: column.collation }
  })
}

/** `("a", "b")` */
export function keyRow(columns: KeyColumns): string {
  return `(${columns.map((c) => quoteIdentifier(c.name)).join(', ')})`
}

/** `($1::uuid, $2::text)`: the key as parameters, from `first` on. */
export function keyParameters(columns: KeyColumns, first: number): string {
  return `(${columns.map((c, i) => `$${first + i}::${c.baseType}`).join(', ')})`
}

/** `"a", "b"` for ORDER BY. */
export function keyOrder(columns: KeyColumns): string {
  return columns.map((c) => quoteIdentifier(c.name)).join(', ')
}

/** The key's columns from an array parameter each: `unnest($1::text[], …) WITH ORDINALITY AS k (c0, …, place)`. */
export function unnestKeys(columns: KeyColumns, first: number): string {
  const arrays = columns.map((_, i) => `$${first + i}::text[]`).join(', ')
  return `unnest(${arrays}) WITH ORDINALITY AS k (${columns.map((_, i) => `c${i}`).join(', ')}, place)`
}

/** One array of texts for each key column. */
export function keyArrays(columns: KeyColumns, keys: readonly (readonly string[])[]): readonly (readonly string[])[] {
  return columns.map((_, i) => keys.map((key) => key[i]!))
}

/** The unnested key in the types and collations of the table. */
export function unnestedKeyRow(columns: KeyColumns): string {
  const values = columns.map((c, i) => {
    const collate = c.collation ? ` COLLATE ${quoteQualified(...c.collation)}` : ''
    return `k.c${i}::${c.baseType}${collate}`
  })
  return `(${values.join(', ')})`
}

/** Which of the keys are at or before `last`: their indexes. */
export async function keysUpTo(
  client: ClientBase,
  columns: KeyColumns,
  keys: readonly (readonly string[])[],
  last: readonly string[],
): Promise<ReadonlySet<number>> {
  const { rows } = await client.query<{ place: number }>(
    `SELECT k.place::int4 AS place FROM ${unnestKeys(columns, 1)}
     WHERE ${unnestedKeyRow(columns)} <= ${keyParameters(columns, columns.length + 1)}`,
    [...keyArrays(columns, keys), ...last],
  )
  return new Set(rows.map((row) => row.place - 1))
}
