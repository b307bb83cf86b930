/**
 * ClickHouse as a sink of events (decision 0021): a row an event in a ReplacingMergeTree whose ORDER BY holds the event id. Repeats
 * collapse when parts are merged, and for every reader that says FINAL before that.
 *
 * An INSERT is answered when its parts are written. Rows of one INSERT become visible a partition at a time, so a reader may see a part of
 * a batch; `verify` reads behind a barrier, where no batch is on its way.
 */
import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { type ClickHouseClient, ClickHouseLogLevel, type ClickHouseSettings, createClient } from '@clickhouse/client'
import { boundedParts } from '@sluice/core'
import { type Sink, type SinkRefusal, type SinkRow, type SinkedRow, type ValueForm, wholeLines } from '@sluice/sink'
import type { SinkTable } from '@sluice/system'
import { isRowFault, isUnknownDatabase, toSinkError } from './clickhouse-error.ts'
import type { ClickhouseTarget } from './clickhouse-target.ts'
import { quoted } from './quoted.ts'
import { type FoundTable, type PrintedRow, TableForm } from './table-form.ts'

/** Of one INSERT. */
const INSERT_BYTES_MAX = 4 * 1024 * 1024
const PAGE_ROWS = 20_000
/** The service's transaction waits meanwhile. */
const REQUEST_TIMEOUT_MS = 30_000
/** Of a statement over a whole table, whose answer begins when it has ended. */
const WHOLE_TABLE_TIMEOUT_MS = 60 * 60 * 1000

const INSERT_SETTINGS: ClickHouseSettings = {
  // The answer says that the rows are written, and an error is not hidden in the body of a good answer.
  async_insert: 0,
  wait_end_of_query: 1,
  // An initial load has rows of many months.
  max_partitions_per_insert_block: '0',
  date_time_input_format: 'basic',
  input_format_null_as_default: 0,
  input_format_skip_unknown_fields: 0,
}

const EXPORT_SETTINGS: ClickHouseSettings = {
  // An error in the middle would stand in the body of a good answer, behind rows: https://clickhouse.com/docs/en/interfaces/http#response-buffering
  wait_end_of_query: 1,
  // Of a column in a zone with summer time, an hour a year is ambiguous in any other form.
  date_time_output_format: 'iso',
  // NaN and infinities would be null.
  output_format_json_quote_denormals: 1,
}

const IMPORT_SETTINGS: ClickHouseSettings = { ...INSERT_SETTINGS, date_time_input_format: 'best_effort' }

interface Line {
  readonly row: SinkRow
  readonly text: string
}

export class ClickhouseSink implements Sink {
  readonly store = 'clickhouse'
  readonly display: string
  readonly #target: ClickhouseTarget
  readonly #tables: readonly SinkTable[]
  readonly #client: ClickHouseClient
  #forms: ReadonlyMap<string, TableForm> = new Map()

  constructor(target: ClickhouseTarget, tables: readonly SinkTable[]) {
    this.#target = target
    this.#tables = tables
    this.display = target.display
    this.#client = clientOf(target, target.database)
  }

  async open(): Promise<void> {
    const found = await this.#asked('read of its tables', () => this.#found())
    this.#forms = new Map(this.#tables.map((table) => [table.name, new TableForm(table, found.get(table.name), this.#target)]))
  }

  async missing(): Promise<readonly SinkTable[]> {
    const found = await this.#asked('read of its tables', () => this.#found())
    return this.#tables.filter((table) => !found.has(table.name))
  }

  async make(table: SinkTable): Promise<void> {
    await this.#asked(`making table ${table.name}`, async () => {
      const anywhere = clientOf(this.#target, 'default')
      try {
        await anywhere.command({ query: `CREATE DATABASE IF NOT EXISTS ${quoted(this.#target.database)}` })
      } finally {
        await anywhere.close()
      }
      await this.#client.command({ query: readFileSync(table.structure, 'utf8') })
    })
  }

  refusals(rows: readonly SinkRow[]): Promise<readonly SinkRefusal[]> {
    const said = rows.map((row) => this.#formOf(row.table).line(row))
    return Promise.resolve(said.flatMap((line) => (typeof line === 'string' ? [] : [line])))
  }

  async write(rows: readonly SinkRow[]): Promise<readonly SinkRefusal[]> {
    for (const [table, ofTable] of Map.groupBy(rows, (row) => row.table)) {
      for (const lines of this.#pieces(table, ofTable)) {
        const refused = await this.#insert(table, lines)
        if (refused) return [refused]
      }
    }
    return []
  }

  async *read(table: SinkTable): AsyncGenerator<readonly SinkedRow[]> {
    const form = this.#formOf(table)
    // WITH TIES: two rows of one position are never on two pages, so that none is passed over.
    const query = `SELECT ${form.selectList} FROM ${quoted(table.name)} AS t FINAL
      WHERE (t.lane, t.position) > ({lane: UInt16}, {position: UInt64})
      ORDER BY t.lane, t.position LIMIT {rows: UInt32} WITH TIES`
    let after = { lane: 0, position: '0' }
    for (;;) {
      const rows = await this.#asked(`read of ${table.name}`, () => this.#rows<PrintedRow>(query, { ...after, rows: PAGE_ROWS }))
      if (rows.length > 0) yield rows.map((row) => form.sinkedRow(row))
      const last = rows.at(-1)
      if (!last || rows.length < PAGE_ROWS) return
      after = { lane: last.lane, position: last.position }
    }
  }

  forms(table: SinkTable): Readonly<Record<string, ValueForm>> {
    return this.#formOf(table).forms
  }

  async count(table: SinkTable): Promise<bigint> {
    const client = clientOf(this.#target, this.#target.database, WHOLE_TABLE_TIMEOUT_MS)
    try {
      const query = `SELECT toString(count()) AS rows FROM ${quoted(table.name)} FINAL`
      const [counted] = await this.#asked(`count of ${table.name}`, async () => {
        const result = await client.query({ query, format: 'JSONEachRow' })
        return result.json<{ rows: string }>()
      })
      return BigInt(counted?.rows ?? '0')
    } finally {
      await client.close()
    }
  }

  /** FINAL, so that what is counted is what every reader sees, and a restored table holds the same number. */
  async *exportRows(table: SinkTable, signal: AbortSignal): AsyncGenerator<Buffer> {
    const client = clientOf(this.#target, this.#target.database, WHOLE_TABLE_TIMEOUT_MS)
    try {
      const columns = await this.#storedColumns(table)
      const { stream } = await client.exec({
        query: `SELECT ${columns.map(quoted).join(', ')} FROM ${quoted(table.name)} FINAL FORMAT JSONEachRow`,
        clickhouse_settings: EXPORT_SETTINGS,
        abort_signal: signal,
      })
      for await (const chunk of stream) yield Buffer.from(chunk as Uint8Array)
    } catch (error) {
      throw toSinkError(error, this.#target, `export of ${table.name}`)
    } finally {
      await client.close()
    }
  }

  async importRows(table: SinkTable, rows: AsyncIterable<Buffer>): Promise<void> {
    for await (const lines of wholeLines(rows, INSERT_BYTES_MAX)) {
      await this.#asked(`import into ${table.name}`, () => this.#insertText(table, lines, IMPORT_SETTINGS))
    }
  }

  async close(): Promise<void> {
    try {
      await this.#client.close()
    } catch {
      // What was sent was answered or is tried again: nothing hangs on how the connection ends.
    }
  }

  /** In order; where a constraint of the table refuses, the halves one after the other, down to the row that it is. */
  async #insert(table: SinkTable, lines: readonly Line[]): Promise<SinkRefusal | null> {
    try {
      await this.#asked(
        `insert into ${table.name}`,
        () => this.#insertText(table, Buffer.from(lines.map((line) => line.text).join('')), INSERT_SETTINGS),
        isRowFault,
      )
      return null
    } catch (error) {
      if (!isRowFault(error)) throw error
      const [only] = lines
      if (only && lines.length === 1) {
        const message = `a constraint of ${table.name} refuses the row`
        return { eventId: only.row.eventId, table: table.name, column: null, message }
      }
      const middle = lines.length >> 1
      return (await this.#insert(table, lines.slice(0, middle))) ?? this.#insert(table, lines.slice(middle))
    }
  }

  async #insertText(table: SinkTable, lines: Buffer, settings: ClickHouseSettings): Promise<void> {
    const { stream } = await this.#client.exec({
      query: `INSERT INTO ${quoted(table.name)} FORMAT JSONEachRow`,
      values: Readable.from([lines]),
      clickhouse_settings: settings,
    })
    // It holds nothing, and the socket is free once it was read.
    await buffer(stream)
  }

  #pieces(table: SinkTable, rows: readonly SinkRow[]): Iterable<readonly Line[]> {
    return boundedParts(this.#lines(table, rows), ({ text }) => Buffer.byteLength(text), { bytesMax: INSERT_BYTES_MAX })
  }

  /** One by one: their texts are held for one INSERT at a time. */
  *#lines(table: SinkTable, rows: readonly SinkRow[]): Generator<Line> {
    const form = this.#formOf(table)
    for (const row of rows) {
      const text = form.line(row)
      if (typeof text !== 'string') throw new RangeError(`event ${row.eventId} was refused: ${text.message}`)
      yield { row, text }
    }
  }

  /** What there is of its tables; nothing where the database is not there. */
  async #found(): Promise<ReadonlyMap<string, FoundTable>> {
    try {
      return await this.#described()
    } catch (error) {
      if (isUnknownDatabase(error)) return new Map()
      throw error
    }
  }

  async #described(): Promise<ReadonlyMap<string, FoundTable>> {
    const names = this.#tables.map((table) => table.name)
    const tables = await this.#rows<{ name: string; engine: string; sorting_key: string }>(
      'SELECT name, engine, sorting_key FROM system.tables WHERE database = currentDatabase() AND name IN ({names: Array(String)})',
      { names },
    )
    const columns = await this.#rows<{ table: string; name: string; type: string }>(
      'SELECT table, name, type FROM system.columns WHERE database = currentDatabase() AND table IN ({names: Array(String)})',
      { names },
    )
    return new Map(
      tables.map(({ name, engine, sorting_key: sortingKey }) => {
        const own = columns.filter((column) => column.table === name)
        return [name, { engine, sortingKey, columns: new Map(own.map((column) => [column.name, column.type])) }]
      }),
    )
  }

  async #rows<Row>(query: string, parameters: Record<string, unknown>): Promise<readonly Row[]> {
    const result = await this.#client.query({ query, query_params: parameters, format: 'JSONEachRow' })
    return result.json<Row>()
  }

  /** Without those that the table computes. */
  async #storedColumns(table: SinkTable): Promise<readonly string[]> {
    const found = await this.#rows<{ name: string }>(
      `SELECT name FROM system.columns WHERE database = currentDatabase() AND table = {table: String}
         AND default_kind NOT IN ('MATERIALIZED', 'ALIAS', 'EPHEMERAL') ORDER BY position`,
      { table: table.name },
    )
    return found.map(({ name }) => name)
  }

  #formOf(table: SinkTable): TableForm {
    const form = this.#forms.get(table.name)
    if (!form) throw new RangeError(`the sink was not opened for table ${table.name}`)
    return form
  }

  /** @param isKept Errors that the caller looks at itself. */
  async #asked<Result>(doing: string, work: () => Promise<Result>, isKept?: (error: unknown) => boolean): Promise<Result> {
    try {
      return await work()
    } catch (error) {
      if (isKept?.(error)) throw error
      throw toSinkError(error, this.#target, doing)
    }
  }
}

function clientOf(target: ClickhouseTarget, database: string, timeoutMs = REQUEST_TIMEOUT_MS): ClickHouseClient {
  return createClient({
    url: target.url,
    username: target.username,
    password: target.password,
    database,
    application: 'sluice',
    // Its own log would have statements and the errors of rows.
    log: { level: ClickHouseLogLevel.OFF },
    request_timeout: timeoutMs,
    ...(target.ca === null ? {} : { tls: { ca_cert: Buffer.from(target.ca) } }),
  })
}
