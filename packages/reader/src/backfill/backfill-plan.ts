/**
 * Looks at a backfill before it is asked for: whether the table, the keys and the filter can be read, and how much that is.
 * Changes nothing: everything runs in transactions that may only read.
 */
import { SluiceError, quoteIdentifier } from '@sluice/core'
import { type PostgresTarget, sqlStateOf, withConnection } from '@sluice/postgres'
import type { BackfillScope } from '@sluice/store'
import { type CapturedTable, type LaneDefinition, qualifiedName } from '@sluice/system'
import type pg from 'pg'
import { type TableScope, publishedRows, rangeOf, tableName } from '../load/chunk-reader.ts'
import { type KeyColumns, keyColumnsOf, keyOrder, keyParameters } from '../source/key-columns.ts'
import { READER_LIMITS } from '../reader-limits.ts'
import { readPublished } from '../source/published-tables.ts'
import { assertRowsReadable } from '../source/row-visibility.ts'
import { readCatalog } from '../source/source-catalog.ts'
import { assertTables } from '../source/table-check.ts'
import { roleBlindForLoad } from './backfill-brake.ts'

export interface BackfillWish extends BackfillScope {
  readonly lane: LaneDefinition
  /** With its schema or without. */
  readonly table: string
  readonly source: PostgresTarget
}

export interface BackfillPlan {
  /** Schema-qualified. */
  readonly table: string
  /** Keys that it has to pass. */
  readonly keys: bigint
  /** False: the planner's estimate, since counting took too long. */
  readonly isCounted: boolean
  /** Rows that the filter lets through, by the planner's estimate; without a filter all. */
  readonly rows: bigint
  /** Of as many keys as a reader takes by default. */
  readonly chunks: bigint
  /** The source's role that sees no sessions but its own, so that a run gives way to no others; null: it sees all. */
  readonly blindRole: string | null
}

/** Keys are counted for so long at most: an index scan of some millions. */
const COUNT_MS = 2_000
const STATEMENT_CANCELLED = '57014'

/** @throws SluiceError SLU-2051 if it can not be done, SLU-2011 to SLU-2014, SLU-5004, SLU-2001 to SLU-2003 */
export async function planBackfill(wish: BackfillWish): Promise<BackfillPlan> {
  const { lane, source } = wish
  const table = lane.tables.find((t) => qualifiedName(t) === wish.table || t.name === wish.table)
  if (!table) throw refused(wish, `the lane captures ${lane.tables.map(qualifiedName).join(', ') || 'no table'}`)
  assertPrivate(wish, table)
  return withConnection(source, { applicationName: 'sluice backfill', statementTimeoutMs: 30_000 }, async (client) => {
    await client.query(`SELECT set_config('search_path', '', false), set_config('default_transaction_read_only', 'on', false)`)
    const catalog = await readCatalog(client, [table], await readPublished(client, lane.publicationName))
    assertTables({ ...lane, tables: [table], outbox: null }, catalog, source)
    await assertRowsReadable(client, source, [table])
    const columns = keyColumnsOf(table, catalog)
    for (const key of [wish.from, wish.to]) if (key !== null) await assertKey(client, wish, columns, key)
    const { from, to, filter } = wish
    const scope: TableScope = { table, columns, rowFilter: catalog.get(qualifiedName(table))!.rowFilter, from, to, filter }
    const rows = await estimatedRows(client, wish, scope)
    const all: TableScope = { ...scope, filter: null }
    const counted = await countedKeys(client, all)
    const keys = counted ?? (await estimatedRows(client, wish, all))
    const chunkRows = BigInt(READER_LIMITS.chunkRowsMax)
    return {
      table: qualifiedName(table),
      keys,
      isCounted: counted !== null,
      rows: wish.filter === null || rows > keys ? keys : rows,
      chunks: keys === 0n ? 1n : (keys + chunkRows - 1n) / chunkRows,
      blindRole: await roleBlindForLoad(client),
    }
  })
}

/** Keys and filter are written into the pipeline database as they are given: a private value must not be among them. */
function assertPrivate(wish: BackfillWish, table: CapturedTable): void {
  const privateKey = table.key.filter((column) => table.privacy[column] !== undefined)
  if (privateKey.length > 0 && (wish.from !== null || wish.to !== null)) {
    throw refused(wish, `its key column ${privateKey.join(', ')} is private, and keys are remembered as they are given`)
  }
  const { filter } = wish
  if (filter === null) return
  const named = Object.keys(table.privacy).filter((column) => filter.toLowerCase().includes(column.toLowerCase()))
  if (named.length > 0)
    throw refused(wish, `the filter names ${named.join(', ')}, which is private, and it is remembered as it is given`)
}

async function assertKey(client: pg.Client, wish: BackfillWish, columns: KeyColumns, key: readonly string[]): Promise<void> {
  const names = columns.map((column) => column.name).join(', ')
  if (key.length !== columns.length) throw refused(wish, `a key has ${key.length} values, and the primary key is (${names})`)
  try {
    await client.query(`SELECT ${keyParameters(columns, 1)}`, [...key])
  } catch (error) {
    throw refused(wish, `a value is not one of the primary key (${names}): SQLSTATE ${sqlStateOf(error) ?? 'unknown'}`, error)
  }
}

interface ExplainRow {
  readonly 'QUERY PLAN': readonly { readonly Plan: { readonly 'Plan Rows': number } }[]
}

/** The planner's estimate. It reads the filter as the chunks do, and has no parameter that the filter could name. */
async function estimatedRows(client: pg.Client, wish: BackfillWish, scope: TableScope): Promise<bigint> {
  const { table, columns, filter } = scope
  const { condition, values } = rangeOf(columns, scope, null)
  if (filter !== null)
    await explain(client, wish, `SELECT FROM ${tableName(table)} AS ${quoteIdentifier(table.name)} WHERE (\n${filter}\n)`, [])
  const range = `SELECT ${filter === null ? keyOrder(columns) : '*'} FROM ${publishedRows(scope)} WHERE ${condition} OFFSET 0`
  const filtered = filter === null ? '' : ` WHERE (\n${filter}\n)`
  return explain(client, wish, `SELECT FROM (${range}) AS ${quoteIdentifier(table.name)}${filtered}`, values)
}

async function explain(client: pg.Client, wish: BackfillWish, text: string, values: readonly string[]): Promise<bigint> {
  // As a prepared statement, which PostgreSQL takes one of only.
  const query: pg.QueryConfig & { readonly queryMode: 'extended' } = {
    text: `EXPLAIN (FORMAT JSON) ${text}`,
    values: [...values],
    queryMode: 'extended',
  }
  try {
    const { rows } = await client.query<ExplainRow>(query)
    return BigInt(Math.round(rows[0]!['QUERY PLAN'][0]!.Plan['Plan Rows']))
  } catch (error) {
    const state = sqlStateOf(error)
    // 08P01: it names a parameter that is not there.
    if (state === undefined || !/^(22|42|08P01)/.test(state) || state === '42501') throw error
    const why = error instanceof Error && !state.startsWith('22') ? `SQLSTATE ${state}: ${error.message}` : `SQLSTATE ${state}`
    throw refused(wish, `PostgreSQL can not read the filter: ${why}`, error)
  }
}

/** Null if that takes too long. */
async function countedKeys(client: pg.Client, scope: TableScope): Promise<bigint | null> {
  const { condition, values } = rangeOf(scope.columns, scope, null)
  await client.query(`BEGIN; SET LOCAL statement_timeout = ${COUNT_MS}`)
  try {
    const { rows } = await client.query<{ keys: string }>(
      `SELECT count(*)::text AS keys FROM ${publishedRows(scope)} WHERE ${condition}`,
      [...values],
    )
    return BigInt(rows[0]!.keys)
  } catch (error) {
    if (sqlStateOf(error) === STATEMENT_CANCELLED) return null
    throw error
  } finally {
    await client.query('ROLLBACK')
  }
}

function refused(wish: BackfillWish, why: string, cause?: unknown): SluiceError {
  return new SluiceError('BACKFILL_REFUSED', {
    what: `${wish.table} can not be backfilled so`,
    why,
    ways: [
      `sluice backfill start ${wish.table} --dry-run    without keys and filter`,
      'names outside of pg_catalog need their schema in a filter: "status = \'open\'::public.order_status"',
    ],
    cause,
  })
}
