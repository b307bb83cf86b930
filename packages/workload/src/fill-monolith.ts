/**
 * Fills a monolith with sample data of any size, parents first. The same seed and size give the same rows, and nothing is kept
 * in memory.
 */
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { SluiceError, quoteIdentifier } from '@sluice/core'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { quotedTable } from './quoted-table.ts'
import { type SampleRow, type SampleValue, textOf } from './sample-row.ts'
import { SampleRows, sampleCounts } from './sample-rows.ts'
import type { SampleTable } from './sample-table.ts'

/** Rows of one COPY; each is a transaction of its own. */
const SET_ROWS = 10_000
/** Bytes, about, that are given to the socket at once. */
const PIECE_BYTES = 64 * 1024
const DEFAULT_SEED = 1

export interface FillProgress {
  /** `public.opportunities` */
  readonly table: string
  readonly rows: number
  readonly rowsWanted: number
}

export interface FillOptions {
  /** A database with the monolith's migrations: its URL, or an open client. */
  readonly database: string | pg.ClientBase
  /** Rows in all tables together, about; every table gets one at least. */
  readonly rows: number
  /** @default 1 */
  readonly seed?: number
  /** After every set. */
  readonly onProgress?: (progress: FillProgress) => void
  /** Stops between two sets, by rejecting with the signal's reason. */
  readonly signal?: AbortSignal
}

export interface FillReport {
  /** Rows by table, `public.opportunities`. */
  readonly rows: Readonly<Record<string, number>>
  readonly durationMs: number
}

/**
 * @param tables Parents first.
 * @throws SluiceError SLU-1003 if the rows of this seed are there already, SLU-1005 if a sample does not say what it must; what
 *   PostgreSQL refuses, as `pg` throws it
 */
export async function fillMonolith(tables: readonly SampleTable[], options: FillOptions): Promise<FillReport> {
  if (typeof options.database !== 'string') return fill(options.database, tables, options)
  const client = new pg.Client({ connectionString: options.database, application_name: 'sluice sample data' })
  await client.connect()
  try {
    return await fill(client, tables, options)
  } finally {
    await client.end()
  }
}

interface TablePlan {
  readonly sample: SampleTable
  readonly rowsWanted: number
  readonly row: (n: number) => SampleRow
}

async function fill(client: pg.ClientBase, tables: readonly SampleTable[], options: FillOptions): Promise<FillReport> {
  const startedAt = performance.now()
  const seed = options.seed ?? DEFAULT_SEED
  const counts = sampleCounts(tables, options.rows)
  const rows = new SampleRows(seed, counts)
  const plans = tables.map((sample): TablePlan => {
    return { sample, rowsWanted: counts.get(sample) ?? 0, row: (n) => rows.row(sample, n) }
  })
  for (const plan of plans) await refuseSecondFilling(client, plan, seed)
  for (const plan of plans) {
    for (let first = 0; first < plan.rowsWanted; first += SET_ROWS) {
      options.signal?.throwIfAborted()
      const setRows = Math.min(SET_ROWS, plan.rowsWanted - first)
      await copySet(client, plan, first, setRows)
      options.onProgress?.({ table: plan.sample.name, rows: first + setRows, rowsWanted: plan.rowsWanted })
    }
  }
  await client.query('ANALYZE')
  return {
    rows: Object.fromEntries(plans.map((p) => [p.sample.name, p.rowsWanted])),
    durationMs: Math.round(performance.now() - startedAt),
  }
}

async function refuseSecondFilling(client: pg.ClientBase, { sample, row }: TablePlan, seed: number): Promise<void> {
  const first = row(0)
  const { key } = sample.table
  // A key that the database gives is never met twice.
  if (key.some((column) => first[column] === undefined)) return
  const condition = key.map((column, i) => `${quoteIdentifier(column)} = $${i + 1}`).join(' AND ')
  const values = key.map((column) => textOf(first[column] ?? null))
  const { rows } = await client.query(`SELECT FROM ${quotedTable(sample.table)} WHERE ${condition}`, values)
  if (rows.length === 0) return
  throw new SluiceError('CONFIG_INVALID', {
    what: 'the sample data can not be generated',
    why: `the rows of seed ${seed} are in the database already`,
    ways: ['choose another seed, or an empty database'],
  })
}

async function copySet(client: pg.ClientBase, plan: TablePlan, first: number, rows: number): Promise<void> {
  const opening = plan.row(first)
  const columns = Object.keys(opening)
  const names = columns.map((c) => quoteIdentifier(c)).join(', ')
  const stream = client.query(copyFrom(`COPY ${quotedTable(plan.sample.table)} (${names}) FROM STDIN`))
  await pipeline(Readable.from(copyPieces(plan, opening, columns, first, rows), { objectMode: true }), stream)
}

function* copyPieces(
  plan: TablePlan,
  opening: SampleRow,
  columns: readonly string[],
  first: number,
  rows: number,
): Generator<Buffer> {
  let piece = copyLine(opening, columns)
  for (let n = first + 1; n < first + rows; n += 1) {
    if (piece.length >= PIECE_BYTES) {
      yield Buffer.from(piece)
      piece = ''
    }
    const row = plan.row(n)
    assertSameColumns(plan.sample, columns, row)
    piece += copyLine(row, columns)
  }
  yield Buffer.from(piece)
}

/** A COPY has one list of columns: a value beyond it would get lost, one that is missing would be NULL and not its default. */
function assertSameColumns(sample: SampleTable, columns: readonly string[], row: SampleRow): void {
  const names = Object.keys(row)
  if (names.length === columns.length && columns.every((column) => column in row)) return
  throw new SluiceError('SYSTEM_INVALID', {
    what: `sample rows of ${sample.name} can not be copied`,
    why: `its first row has the columns ${columns.join(', ')}, a later one ${names.join(', ')}`,
    ways: ['let row name the same columns each time, with null where there is no value'],
  })
}

/** https://www.postgresql.org/docs/current/sql-copy.html, "Text Format" */
function copyLine(row: SampleRow, columns: readonly string[]): string {
  return `${columns.map((c) => copyValue(row[c] ?? null)).join('\t')}\n`
}

const COPY_ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }

function copyValue(value: SampleValue): string {
  const text = textOf(value)
  return text === null ? '\\N' : text.replace(/[\\\t\n\r]/g, (c) => COPY_ESCAPES[c]!)
}
