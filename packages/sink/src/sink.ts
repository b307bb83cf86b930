/**
 * A store outside of PostgreSQL that a projector fills beside its service database (decision 0021).
 *
 * No transaction spans the two. The rows of a batch go to the sink inside the service's transaction, before positions move and
 * before COMMIT; killed between the two, the batch comes again, and the sink gets the same rows again.
 *
 * S1  A row is the same whenever its event is met, and stands under its event id (events) or its aggregate id (objects): a
 *     repeat collapses. Everything that reads a sink, and verify first, reads the collapsed state.
 * S2  `write` resolves once the rows are durable: what is behind a COMMIT is in the sink.
 * S3  Of an object the highest (lane, position) wins, whatever order rows arrive in: a process that lost its partition may still write.
 * S4  What a sink refuses for what it is, it refuses before anything is written, as far as it can tell; such an event is parked.
 *     A fault that is not about a row is thrown, and nothing is skipped for it.
 */
import type { Operation, PositionNumber, RowText } from '@sluice/core'
import type { SinkStore, SinkTable } from '@sluice/system'
import type { ValueForm } from './value-form.ts'

/** What one event is in one table of a sink. */
export interface SinkRow {
  readonly table: SinkTable
  readonly eventId: string
  readonly eventType: string
  readonly lane: number
  readonly position: bigint
  /**
   * Of a table of events, what the change did. Of a table of objects: `d` removes the object; `t` every object whose position is
   * below; every other one writes it.
   */
  readonly op: Operation
  /** Time of the source's commit, microseconds since 1970. */
  readonly committedAtMicros: bigint
  /** What an object is found by; of a truncate the id of its table. */
  readonly aggregateId: string
  /** Text of the aggregate's key where that is not one uuid. */
  readonly aggregateKey: string | null
  /**
   * PostgreSQL's text of each column of the sink's table, null for NULL. An absent column is unavailable, never NULL: an object keeps
   * the value that it has.
   */
  readonly values: RowText
}

/** A row that a sink refuses for what it is. Names only, never a value. */
export interface SinkRefusal {
  /** @default SLU-5104. SLU-5105: what is missing is none of the row's fault, so that any number of them may be parked. */
  readonly code?: 'SLU-5105'
  readonly eventId: string
  /** Name of the sink's table. */
  readonly table: string
  readonly column: string | null
  /** One sentence, built from names. */
  readonly message: string
}

/** What a sink holds of an event or an object, in collapsed state. */
export interface SinkedRow {
  readonly eventId: string
  readonly aggregateId: string
  readonly lane: number
  readonly position: PositionNumber
  /**
   * The values by column, as PostgreSQL's text in the form that the sink says. Of an object as far as the sink can give them back: a
   * column is absent where NULL and an empty array are the same to the store, and it is one of them. Of an event: with `op` and
   * `committed_at`, without the columns that are unavailable; a text of `DIGESTED_BYTES` or more is `DIGEST_PREFIX` and its digest.
   */
  readonly values: RowText
  /** Of an object: what else is missing, or not in the form in which the sink writes it, by its name: `vector`. @default nothing */
  readonly faults?: readonly string[]
}

/** The tables of one service in one store. Every method but `close` throws SLU-5101 if the store can not be reached, SLU-5102 if it refuses. */
export interface Sink {
  readonly store: SinkStore
  /** For messages, without a password: `clickhouse at http://host:8123`. */
  readonly display: string

  /** @throws SluiceError SLU-5103 if a table is missing, or has not the columns that its definition needs */
  open(): Promise<void>

  /** Tables that are not there. */
  missing(): Promise<readonly SinkTable[]>

  /** Makes a table from the file that its definition names. It may be there already. */
  make(table: SinkTable): Promise<void>

  /**
   * Which rows can not be held. Nothing is written; what it made for a row (an embedding) may be kept for `write`, in bounded bytes.
   *
   * @param rows Of one run of events, in position order; a few MiB at most.
   */
  refusals(rows: readonly SinkRow[]): Promise<readonly SinkRefusal[]>

  /**
   * Writes rows that were not refused, in order, and resolves when they are durable.
   *
   * @returns rows that were refused all the same. They are not written; neither is, of the same table, what comes after the first of
   *   them. What came before is: the whole batch comes again without the refused events.
   */
  write(rows: readonly SinkRow[]): Promise<readonly SinkRefusal[]>

  /** Everything that a table holds, in collapsed state and in bounded pieces: events by (lane, position), objects by id. */
  read(table: SinkTable): AsyncIterable<readonly SinkedRow[]>

  /** In which form `read` gives the values of a column. @default all of them as text */
  forms?(table: SinkTable): Readonly<Record<string, ValueForm>>

  /** How many rows a table holds, in collapsed state. */
  count(table: SinkTable): Promise<bigint>

  /**
   * Everything that a table holds when this is asked for, or later, in collapsed state: a line a row, in a form of the store's own that
   * loses nothing of it. What comes before the end says nothing: only an export that ended without an error is whole.
   *
   * @returns chunks of bounded bytes, cut anywhere
   */
  exportRows(table: SinkTable, signal: AbortSignal): AsyncIterable<Buffer>

  /**
   * Writes what `exportRows` gave, and resolves when it is durable. The table may hold rows, also the same ones: S1 and S3 hold. The sink
   * is open.
   */
  importRows(table: SinkTable, rows: AsyncIterable<Buffer>): Promise<void>

  /** Never throws. */
  close(): Promise<void>
}
