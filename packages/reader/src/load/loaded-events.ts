/** Rows of a chunk as events of a load. */
import { type AggregateName, type EventDraft, type Lsn, type Uuid, loadedEventId, namespaceBytes } from '@sluice/core'
import type { Capture } from '@sluice/privacy'
import { type CapturedTable, qualifiedName } from '@sluice/system'
import { capturedColumns } from '../assembly/captured-columns.ts'
import type { TextRow } from './chunk-reader.ts'
import { type RowEncoder, createRowEncoder } from '../assembly/row-encoder.ts'

export interface LoadOfTable {
  readonly epoch: Uuid
  readonly run: Uuid
  readonly table: CapturedTable
  readonly snapshotLsn: Lsn
  readonly capture: Capture
}

export class LoadedRowEncoder {
  readonly #load: LoadOfTable
  readonly #epoch: Buffer
  readonly #name: string
  readonly #encode: RowEncoder
  readonly #aggregateOf: (key: readonly string[]) => AggregateName
  readonly #keyIndexes: readonly number[]

  constructor(load: LoadOfTable) {
    const { table, capture } = load
    this.#load = load
    this.#epoch = namespaceBytes(load.epoch)
    this.#name = qualifiedName(table)
    const indexOf = new Map<string, number>(table.columnNames.map((name, index) => [name, index]))
    this.#encode = createRowEncoder(capturedColumns(table, indexOf, capture))
    this.#aggregateOf = capture.aggregateNamer(table)
    this.#keyIndexes = table.key.map((name) => table.columnNames.indexOf(name))
  }

  keyOf(row: TextRow): readonly string[] {
    return this.#keyIndexes.map((index) => row[index]!)
  }

  /** @param ordinal Place of the row in its chunk. */
  event(row: TextRow, ordinal: number, correlationId: string): EventDraft {
    const { run, table, snapshotLsn } = this.#load
    const aggregate = this.#aggregateOf(this.keyOf(row))
    return {
      eventId: loadedEventId(this.#epoch, run, this.#name, aggregate.key ?? aggregate.id, snapshotLsn),
      eventType: table.eventTypes.loaded,
      aggregateType: table.aggregateType,
      aggregateId: aggregate.id,
      aggregateKey: aggregate.key,
      eventData: `{"op":"r","after":${this.#encode(row)}}`,
      ordinal,
      correlationId,
      causationId: null,
      userId: null,
      traceparent: null,
      migrationId: run,
    }
  }
}
