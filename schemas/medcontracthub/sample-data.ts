/**
 * Fills the monolith with sample data of any size. The same seed and size give the same rows: ids follow from seed, table
 * and number, so that nothing is kept in memory.
 */
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { SluiceError } from '@sluice/core'
import { qualifiedName } from '@sluice/system'
import pg from 'pg'
import { from as copyFrom } from 'pg-copy-streams'
import { Random, derivedSeed, sampleId } from './sample/random.ts'
import {
  type SampleRow,
  apiUsageRow,
  companyRow,
  documentRow,
  opportunityRow,
  proposalRow,
  userRow,
} from './sample/sample-rows.ts'
import { apiUsage, companies, contractDocuments, opportunities, proposals, users } from './tables.ts'

/** Rows of one COPY; each is a transaction of its own. */
const SET_ROWS = 10_000
/** Bytes, about, that are given to the socket at once. */
const PIECE_BYTES = 64 * 1024

export interface SampleDataProgress {
  /** `public.opportunities` */
  readonly table: string
  readonly rows: number
  readonly rowsWanted: number
}

export interface SampleDataOptions {
  /** A database with the monolith's migrations: its URL, or an open client. */
  readonly database: string | pg.ClientBase
  /** Opportunities; the other tables follow in proportion. */
  readonly rows: number
  /** @default 1 */
  readonly seed?: number
  /** After every set. */
  readonly onProgress?: (progress: SampleDataProgress) => void
  /** Stops between two sets, by rejecting with the signal's reason. */
  readonly signal?: AbortSignal
}

export interface SampleDataReport {
  /** Rows by table, `public.opportunities`. */
  readonly rows: Readonly<Record<string, number>>
  readonly durationMs: number
}

/** How many rows each table gets for a number of opportunities. */
export interface SampleSizes {
  readonly companies: number
  readonly users: number
  readonly opportunities: number
  readonly proposals: number
  readonly documents: number
  readonly apiUsage: number
}

export function sampleSizes(rows: number): SampleSizes {
  const share = (part: number): number => Math.max(1, Math.round(rows * part))
  return {
    companies: share(1 / 5),
    users: share(1 / 10),
    opportunities: Math.max(1, rows),
    proposals: share(1 / 2),
    documents: share(1 / 2),
    apiUsage: Math.max(1, rows),
  }
}

/**
 * @throws SluiceError SLU-1003 if the rows of this seed are there already; what PostgreSQL refuses, as `pg` throws it
 */
export async function generateSampleData(options: SampleDataOptions): Promise<SampleDataReport> {
  if (typeof options.database !== 'string') return fill(options.database, options)
  const client = new pg.Client({ connectionString: options.database, application_name: 'medcontracthub sample data' })
  await client.connect()
  try {
    return await fill(client, options)
  } finally {
    await client.end()
  }
}

interface TablePlan {
  readonly table: string
  readonly rowsWanted: number
  readonly row: (n: number) => SampleRow
}

async function fill(client: pg.ClientBase, options: SampleDataOptions): Promise<SampleDataReport> {
  const startedAt = performance.now()
  const plans = tablePlans(options.seed ?? 1, sampleSizes(options.rows))
  await refuseSecondFilling(client, options.seed ?? 1)
  for (const plan of plans) {
    for (let first = 0; first < plan.rowsWanted; first += SET_ROWS) {
      options.signal?.throwIfAborted()
      const rows = Math.min(SET_ROWS, plan.rowsWanted - first)
      await copySet(client, plan, first, rows)
      options.onProgress?.({ table: plan.table, rows: first + rows, rowsWanted: plan.rowsWanted })
    }
  }
  await client.query('ANALYZE')
  return {
    rows: Object.fromEntries(plans.map((p) => [p.table, p.rowsWanted])),
    durationMs: Math.round(performance.now() - startedAt),
  }
}

/** The tables in an order in which every row finds those that it refers to. */
function tablePlans(seed: number, sizes: SampleSizes): readonly TablePlan[] {
  const random = (table: string): Random => new Random(derivedSeed(seed, table))
  const anyOf = (r: Random, table: string, count: number): string => sampleId(seed, table, r.between(0, count - 1))
  const company = (r: Random): string => anyOf(r, 'companies', sizes.companies)
  const user = (r: Random): string => anyOf(r, 'users', sizes.users)
  const opportunity = (r: Random): string => anyOf(r, 'opportunities', sizes.opportunities)
  const or = <T>(r: Random, nullShare: number, make: (r: Random) => T): T | null => (r.chance(nullShare) ? null : make(r))
  const plan = (
    table: { schema: string; name: string },
    rowsWanted: number,
    row: (r: Random, n: number) => SampleRow,
  ): TablePlan => {
    const r = random(table.name)
    return { table: qualifiedName(table), rowsWanted, row: (n) => row(r, n) }
  }
  return [
    plan(companies, sizes.companies, (r, n) => companyRow(r, sampleId(seed, 'companies', n))),
    plan(users, sizes.users, (r, n) => userRow(r, sampleId(seed, 'users', n), or(r, 0.1, company))),
    plan(opportunities, sizes.opportunities, (r, n) =>
      opportunityRow(r, sampleId(seed, 'opportunities', n), {
        createdBy: or(r, 0.2, user),
        awardedCompanyId: or(r, 0.8, company),
      }),
    ),
    plan(proposals, sizes.proposals, (r, n) =>
      proposalRow(r, sampleId(seed, 'proposals', n), {
        opportunityId: opportunity(r),
        companyId: company(r),
        submittedBy: or(r, 0.1, user),
      }),
    ),
    plan(contractDocuments, sizes.documents, (r, n) =>
      documentRow(r, sampleId(seed, 'documents', n), {
        opportunityId: opportunity(r),
        proposalId: or(r, 0.5, (s) => anyOf(s, 'proposals', sizes.proposals)),
      }),
    ),
    plan(apiUsage, sizes.apiUsage, (r) => apiUsageRow(r, { userId: or(r, 0.1, user), companyId: or(r, 0.1, company) })),
  ]
}

async function refuseSecondFilling(client: pg.ClientBase, seed: number): Promise<void> {
  const { rows } = await client.query('SELECT FROM public.companies WHERE id = $1', [sampleId(seed, 'companies', 0)])
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
  const names = columns.map((c) => pg.escapeIdentifier(c)).join(', ')
  const table = plan.table
    .split('.')
    .map((part) => pg.escapeIdentifier(part))
    .join('.')
  const stream = client.query(copyFrom(`COPY ${table} (${names}) FROM STDIN`))
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
    piece += copyLine(plan.row(n), columns)
  }
  yield Buffer.from(piece)
}

/** https://www.postgresql.org/docs/current/sql-copy.html, "Text Format" */
function copyLine(row: SampleRow, columns: readonly string[]): string {
  return `${columns.map((c) => copyValue(row[c] ?? null)).join('\t')}\n`
}

const COPY_ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' }

function copyValue(value: string | null): string {
  return value === null ? '\\N' : value.replace(/[\\\t\n\r]/g, (c) => COPY_ESCAPES[c]!)
}
