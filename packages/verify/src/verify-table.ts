/** One table of a service: its two sides built from expectation and catalog, compared, and reported. */
import { quoteIdentifier, quoteQualified } from '@sluice/core'
import { sqlStateOf } from '@sluice/postgres'
import { type CompareLimits, type Comparison, compareTable } from './compare-table.ts'
import type { SealedReader } from '@sluice/privacy'
import { type SealedComparison, type SealedTable, compareSealed } from './compare-sealed.ts'
import { type ExpectedPrivacy, type ExpectedTable, tableName } from './expected-table.ts'
import { agreeOnDigest } from './row-digest.ts'
import { rewrittenTables } from './rewritten-tables.ts'
import type { SnapshotSession } from './snapshot-session.ts'
import type { ComparedTable } from './table-side.ts'
import { type TargetColumn, targetColumns } from './target-catalog.ts'
import type { TableReport } from './verify-report.ts'

/** @throws SluiceError if a server can't be used; what belongs to the table alone is in the report. */
export async function verifyTable(
  source: SnapshotSession,
  target: SnapshotSession,
  expected: ExpectedTable,
  limits: CompareLimits,
  reader: Pick<SealedReader, 'read'> | null,
): Promise<TableReport> {
  const startedAt = performance.now()
  const catalog = await targetColumns(target, expected.schema, expected.table)
  const reason = whyNot(expected, catalog)
  const sealed = expected.privacy?.sealed.map((s) => s.column) ?? []
  const report = {
    ...EMPTY,
    table: tableName(expected.schema, expected.table),
    comparedColumns: expected.columns,
    targetOnlyColumns: catalog.map((c) => c.name).filter((name) => !expected.columns.includes(name) && !sealed.includes(name)),
  }
  if (reason !== null) return { ...report, status: 'unverifiable', reason, comparedColumns: [], durationMs: since(startedAt) }
  const digest = await agreeOnDigest(source.client, target.client)
  const outcome = await attempt(source, target, async () => ({
    clear: await compareTable(source, target, sides(expected, catalog), digest, limits),
    opened:
      expected.privacy && reader && sealed.length > 0
        ? await compareSealed(source, target, sealedSides(expected, expected.privacy, catalog), { reader, digest, limits })
        : null,
    erasedRows: await erasedRows(source, expected.privacy?.erasedQueries ?? []),
  }))
  if ('reason' in outcome) return { ...report, reason: outcome.reason, durationMs: since(startedAt) }
  const { clear, opened } = outcome
  const { missing, extra } = clear.counts
  const different = clear.counts.different + (opened?.different ?? 0)
  return {
    ...report,
    sourceRows: clear.sourceRows,
    targetRows: clear.targetRows,
    missing,
    extra,
    different,
    status: missing + extra + different === 0 && clear.sourceRows === clear.targetRows ? 'equal' : 'different',
    examples: [...clear.examples, ...(opened?.examples ?? [])],
    ...(expected.privacy && {
      comparedColumns: [...report.comparedColumns, ...sealed],
      privacy: {
        droppedColumns: expected.privacy.dropped,
        sealedColumns: sealed,
        erasedRows: outcome.erasedRows + (opened?.erasedRows ?? 0),
      },
    }),
    durationMs: since(startedAt),
  }
}

/** Key and encrypted columns: clear in the source, sealed in the service. */
function sealedSides(expected: ExpectedTable, privacy: ExpectedPrivacy, catalog: readonly TargetColumn[]): SealedTable {
  const columns = [...expected.key, ...privacy.sealed.map((s) => s.column)]
  return { table: sides({ ...expected, columns, queries: privacy.sealedQueries }, catalog), sealed: privacy.sealed }
}

async function erasedRows(source: SnapshotSession, queries: readonly string[]): Promise<number> {
  let count = 0
  for (const query of queries) count += Number((await source.query<{ rows: string }>(query))[0]?.rows ?? 0)
  return count
}

/** A target of which nothing says what it must hold. */
export function unverifiableTable(table: string, reason: string): TableReport {
  return { ...EMPTY, table, status: 'unverifiable', reason }
}

const EMPTY: TableReport = {
  table: '',
  sourceRows: 0,
  targetRows: 0,
  missing: 0,
  extra: 0,
  different: 0,
  status: 'unverifiable',
  reason: null,
  comparedColumns: [],
  targetOnlyColumns: [],
  examples: [],
  durationMs: 0,
}

function whyNot(expected: ExpectedTable, catalog: readonly TargetColumn[]): string | null {
  if (expected.unverifiable !== null) return expected.unverifiable
  if (catalog.length === 0) return 'the service database has no such table'
  const absent = expected.columns.filter((name) => !catalog.some((c) => c.name === name))
  return absent.length === 0 ? null : `the service's table lacks ${absent.join(', ')}`
}

function sides(expected: ExpectedTable, catalog: readonly TargetColumn[]): ComparedTable {
  const types = new Map(catalog.map((column) => [column.name, column]))
  const names = expected.columns.map((name) => quoteIdentifier(name))
  const texts = expected.columns.map((name, i) => `${types.get(name)!.asText(`e.${names[i]!}`)} AS c${i}`).join(', ')
  const queries = expected.queries.map((query) => `SELECT ${texts} FROM (${query}) AS e (${names.join(', ')})`)
  return {
    columns: expected.columns,
    key: expected.key.map((name) => expected.columns.indexOf(name)),
    expected: queries.join(' UNION ALL '),
    actual: `SELECT ${names.map((name, i) => `t.${name}::text AS c${i}`).join(', ')} FROM ${quoteQualified(expected.schema, expected.table)} AS t`,
  }
}

/** What was read of a table, all of it under the locks that `rewrittenTables` looks at. */
interface Outcome {
  readonly clear: Comparison
  /** Null if the service holds nothing of it encrypted. */
  readonly opened: SealedComparison | null
  /** Rows that the source says stand for those of erased subjects, in columns that are compared as they are. */
  readonly erasedRows: number
}

/** The locks are given back with the savepoint: whatever reads the table must be in `compare`. */
async function attempt(
  source: SnapshotSession,
  target: SnapshotSession,
  compare: () => Promise<Outcome>,
): Promise<Outcome | { readonly reason: string }> {
  try {
    const { outcome, rewritten } = await source.guarded(() =>
      target.guarded(async () => ({
        outcome: await compare(),
        rewritten: [...(await rewrittenTables(source)), ...(await rewrittenTables(target))],
      })),
    )
    if (rewritten.length > 0) return { reason: whyRewritten(rewritten) }
    const { clear, opened } = outcome
    const inBoth = clear.sourceRows - clear.counts.missing
    return opened === null || opened.pairs === inBoth ? outcome : { reason: whyNotOpened(opened.pairs, inBoth) }
  } catch (error) {
    const refused = error instanceof Error ? error.cause : undefined
    const state = sqlStateOf(refused)
    // Class 22: a value that has no text in the target's type; 42: the expectation names what the monolith lacks.
    if (state === undefined || !/^(22|42(?!501))/.test(state)) throw error
    return { reason: refusal(refused, state) }
  }
}

function whyRewritten(tables: readonly string[]): string {
  return `${tables.join(', ')} was truncated or rewritten while it was compared, which no snapshot hides; compare it again`
}

function whyNotOpened(pairs: number, inBoth: number): string {
  return `its encrypted columns were compared in ${pairs} rows, and ${inBoth} rows are on both sides; compare it again`
}

/** Only the message of a name error may be told: that of a data error holds the value. */
function refusal(error: unknown, state: string): string {
  if (state.startsWith('42') && error instanceof Error)
    return `what it must hold can not be asked: SQLSTATE ${state}, ${error.message}`
  return `the monolith holds a value that the column's type in the service does not have (SQLSTATE ${state})`
}

function since(startedAt: number): number {
  return Math.round(performance.now() - startedAt)
}
