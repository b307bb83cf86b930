/** Rows of a chunk as events of a load. */
import { type EventDraft, type Uuid, aggregateName, loadedEventId, namespaceBytes } from '@sluice/core'
import type { Lsn } from '@sluice/core'
import { type CapturedTable, qualifiedName } from '@sluice/system'
import type { TextRow } from './chunk-reader.ts'
import { type RowEncoder, createRowEncoder } from './row-encoder.ts'

export interface LoadOfTable {
  readonly epoch: Uuid
  readonly run: Uuid
  readonly table: CapturedTable
  readonly snapshotLsn: Lsn
}

export class LoadedRowEncoder {
  readonly #load: LoadOfTable
  readonly #epoch: Buffer
  readonly #name: string
  readonly #encode: RowEncoder
  readonly #keyIndexes: readonly number[]

  constructor(load: LoadOfTable) {
    const { table } = load
    this.#load = load
    this.#epoch = namespaceBytes(load.epoch)
    this.#name = qualifiedName(table)
    this.#encode = createRowEncoder(table.columnNames.map((name, index) => ({ name, index })))
    this.#keyIndexes = table.key.map((name) => table.columnNames.indexOf(name))
  }

  keyOf(row: TextRow): readonly string[] {
    return this.#keyIndexes.map((index) => row[index]!)
  }

  /** @param ordinal Place of the row in its chunk. */
  event(row: TextRow, ordinal: number, correlationId: string): EventDraft {
    const { run, table, snapshotLsn } = this.#load
    const aggregate = aggregateName(this.keyOf(row))
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
