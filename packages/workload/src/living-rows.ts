/**
 * Finds rows that are there now, at random and at a bounded cost: from a random place of the table's file on, whatever its key
 * is. `TABLESAMPLE` would return nothing of a small table.
 */
import { quoteIdentifier, quoteLiteral } from '@sluice/core'
import type { CapturedTable } from '@sluice/system'
import type { ForeignKey } from './foreign-keys.ts'
import { type TableName, quotedTable } from './quoted-table.ts'
import type { WorkloadTransaction } from './transaction.ts'

export type LivingRow = Readonly<Record<string, string | null>>

type KeyedTable = Pick<CapturedTable, 'schema' | 'name' | 'key' | 'sourceColumns'>

/** A row's place in its block is chosen among so many. */
const PLACES = 40
/** Rows that are looked at for one that no other row refers to. */
const LOOKED_AT_MAX = 200

/** Up to `count` rows, each value in PostgreSQL's text form. */
export async function livingRows(
  t: WorkloadTransaction,
  table: TableName,
  columns: readonly string[],
  count: number,
): Promise<readonly LivingRow[]> {
  const select = `SELECT ${textColumns(columns)} FROM ${quotedTable(table)}`
  const { rows } = await t.client.query<LivingRow>(`${select} WHERE ctid >= ${randomPlace(t, table)} LIMIT $1`, [count])
  if (rows.length > 0) return rows
  return (await t.client.query<LivingRow>(`${select} LIMIT $1`, [count])).rows
}

/** Keys of up to `count` rows that no row refers to: deleting them breaks no foreign key, and deletes no other row. */
export async function unreferredKeys(
  t: WorkloadTransaction,
  table: KeyedTable,
  referring: readonly ForeignKey[],
  count: number,
): Promise<readonly LivingRow[]> {
  const somewhere = `SELECT * FROM ${quotedTable(table)} WHERE ctid >= ${randomPlace(t, table)} LIMIT ${LOOKED_AT_MAX}`
  const { rows } = await t.client.query<LivingRow>(`${unreferred(table, referring, somewhere)} LIMIT $1`, [count])
  return rows
}

/** The same of the rows that have these keys. */
export async function unreferredAmong(
  t: WorkloadTransaction,
  table: KeyedTable,
  referring: readonly ForeignKey[],
  keys: readonly LivingRow[],
  count: number,
): Promise<readonly LivingRow[]> {
  const these = `SELECT * FROM ${quotedTable(table)} WHERE ${amongKeys(table)}`
  const values = [...keyLists(table, keys), count]
  const { rows } = await t.client.query<LivingRow>(`${unreferred(table, referring, these)} LIMIT $${values.length}`, values)
  return rows
}

/** The condition that a row's key is among those of `keyLists`, which are the first parameters. */
export function amongKeys({ key, sourceColumns }: KeyedTable): string {
  const names = key.map((c) => quoteIdentifier(c)).join(', ')
  const lists = key.map((c, i) => `$${i + 1}::${sourceColumns[c]!.sqlType}[]`).join(', ')
  return `(${names}) IN (SELECT * FROM unnest(${lists}))`
}

/** A list for each column of the key. */
export function keyLists({ key }: KeyedTable, rows: readonly LivingRow[]): readonly (readonly (string | null)[])[] {
  return key.map((c) => rows.map((row) => row[c] ?? null))
}

function unreferred({ key }: KeyedTable, referring: readonly ForeignKey[], rows: string): string {
  const free = referring.map((foreignKey) => {
    const pairs = foreignKey.columns.map((c, i) => `child.${c} = looked_at.${foreignKey.parentColumns[i]!}`)
    return `NOT EXISTS (SELECT FROM ${foreignKey.child} AS child WHERE ${pairs.join(' AND ')})`
  })
  return `SELECT ${textColumns(key)} FROM (${rows}) AS looked_at WHERE ${['true', ...free].join(' AND ')}`
}

function textColumns(columns: readonly string[]): string {
  return columns.map((c) => `${quoteIdentifier(c)}::text`).join(', ')
}

/** SQL of a place in the table; a partitioned one has no file of its own, and is read from a block's beginning. */
function randomPlace(t: WorkloadTransaction, table: TableName): string {
  const relation = `${quoteLiteral(quotedTable(table))}::regclass`
  return `(SELECT format('(%s,%s)', floor(${t.random.fraction()} * pg_relation_size(${relation}) / 8192), ${t.random.between(0, PLACES)})::tid)`
}
