/**
 * The initial load of a lane's tables, chunk by chunk, from a snapshot of the source. Several sessions read; one after the other
 * their chunks are stored.
 *
 *   snapshot ─▶ catch up (only if resumed) ─▶ stragglers ─▶ tables, parents first, in key order ─▶ streaming
 *
 * L1  A chunk's events, its checkpoint and the lane's position are one transaction.
 * L2  When a chunk is stored, everything stored before it is as old as its snapshot: the slot was streamed up to the
 *     snapshot's LSN first, without the rows that were not loaded.
 * L3  Every row is loaded once: from a chunk, or as a straggler.
 *
 * A table that is truncated or rewritten meanwhile makes the snapshot stale: then a new one is taken, as after an interruption.
 * Killed anywhere, the snapshot is lost and the checkpoints are not: the next start takes a new one and goes on.
 */
import { randomBytes } from 'node:crypto'
import { type EventDraft, LSN_ZERO, type Uuid, faultPoint, formatLsn } from '@sluice/core'
import {
  type AppendPart,
  type Checkpoint,
  type TableLoad,
  completeTable,
  failTable,
  loadProgress,
  pendingStragglers,
  saveCheckpoint,
  setPhase,
  settleStragglers,
} from '@sluice/store'
import { type CapturedTable, qualifiedName } from '@sluice/system'
import type { ClientBase } from 'pg'
import { catchUp } from './catch-up.ts'
import { SnapshotStale, type TableScope, type TextRow, readKeys, wholeTable } from './chunk-reader.ts'
import { keyColumnsOf } from '../source/key-columns.ts'
import type { LaneSession } from '../lane/lane-session.ts'
import { LoadedPart, type TableLoadState } from '../assembly/loaded-part.ts'
import { type LoadChunk, LoadReaders, type TableToRead } from './load-readers.ts'
import { LoadedRowEncoder } from './loaded-events.ts'
import { createRelationBinder } from '../assembly/relation-binding.ts'
import { type SourceSnapshot, openSnapshot } from '../replication/source-snapshot.ts'

/** Keys of stragglers that are read at a time. */
const STRAGGLER_CHUNK_KEYS = 1_000

export interface InitialLoadOptions {
  readonly session: LaneSession
  /** The snapshot that the lane's own slot was made with; null if the load is resumed. */
  readonly first: SourceSnapshot | null
}

/**
 * Loads what is not loaded yet. Returns early if the signal aborts.
 *
 * @throws SluiceError
 */
export async function loadTables({ session, first }: InitialLoadOptions, signal: AbortSignal): Promise<void> {
  let snapshot = first ?? (await temporarySnapshot(session, signal))
  let isResumed = first === null
  for (;;) {
    try {
      const load = new LaneLoad(session, snapshot)
      if (isResumed) await load.catchUp(signal)
      if (!signal.aborted) await load.run(signal)
      return
    } catch (error) {
      if (!(error instanceof SnapshotStale)) throw error
      session.logger.warn(
        { lsn: snapshot.lsn },
        'a table was truncated or rewritten during its load: going on with a new snapshot',
      )
    } finally {
      await snapshot.close()
    }
    snapshot = await temporarySnapshot(session, signal)
    isResumed = true
  }
}

async function temporarySnapshot(session: LaneSession, signal: AbortSignal): Promise<SourceSnapshot> {
  const { lane, source, control, applicationName, limits } = session
  return openSnapshot({
    target: source,
    control,
    applicationName,
    // A slot of a killed reader may still hold its name for a moment.
    slotName: `${lane.slotName.slice(0, 48)}_load_${randomBytes(4).toString('hex')}`,
    isTemporary: true,
    sessions: limits.loadReaders,
    timeoutMs: limits.slotCreationMs,
    signal,
  })
}

/** A table that is being loaded. */
interface BegunTable extends TableToRead {
  readonly load: TableLoad
  readonly encoder: LoadedRowEncoder
  /** Key of the last row that was given to the store; null before the first. */
  lastKey: readonly string[] | null
  /** Rows that were given to the store. */
  stored: number
}

class LaneLoad {
  readonly #session: LaneSession
  readonly #snapshot: SourceSnapshot
  readonly #tables: ReadonlyMap<string, CapturedTable>

  constructor(session: LaneSession, snapshot: SourceSnapshot) {
    this.#session = session
    this.#snapshot = snapshot
    this.#tables = new Map(session.lane.tables.map((table) => [qualifiedName(table), table]))
  }

  async catchUp(signal: AbortSignal): Promise<void> {
    const { lane, catalog, capture, limits, logger } = this.#session
    const states = new Map<string, TableLoadState>()
    for (const load of await this.#progress()) {
      states.set(load.table, {
        migrationId: load.id,
        isComplete: load.status === 'completed',
        lastKey: this.#openKey(load, load.lastKey),
        stragglers: await this.#stragglersOf(load),
      })
    }
    const bind = createRelationBinder(this.#session)
    const loadedPart = new LoadedPart({
      tables: states,
      keyColumns: new Map(lane.tables.map((table) => [qualifiedName(table), keyColumnsOf(table, catalog)])),
      snapshotLsn: this.#snapshot.lsn,
      bind,
      sealKey: (table, key) => capture.sealKey(table, key),
      stragglersMax: limits.stragglersMax,
    })
    logger.info({ lsn: formatLsn(this.#snapshot.lsn) }, 'an interrupted load goes on: streaming up to its new snapshot')
    await catchUp({ session: this.#session, until: this.#snapshot.lsn, loadedPart, bind }, signal)
  }

  async run(signal: AbortSignal): Promise<void> {
    const loads = await this.#progress()
    const open = loads.filter((load) => load.status !== 'completed')
    const isResumed = loads.some((load) => load.lastKey !== null || load.status === 'completed')
    this.#session.onProgress({ kind: 'load-started', snapshotLsn: this.#snapshot.lsn, isResumed, tables: open.length })
    for (const load of loads) await this.#loadStragglers(load, signal)
    await this.#loadTables(open, signal)
    if (signal.aborted) return
    const { appender, record, onProgress } = this.#session
    await appender.transact((client) => setPhase(client, record, { phase: 'streaming' }))
    onProgress({ kind: 'phase', phase: 'streaming' })
  }

  /** The next chunks are read while one is written. */
  async #loadTables(loads: readonly TableLoad[], signal: AbortSignal): Promise<void> {
    const { source: target, limits } = this.#session
    const tables = loads.map((load) => this.#begunOf(load))
    const sources = this.#snapshot.clients.map((client) => ({ client, target }))
    const readers = new LoadReaders({ sources, tables, limits })
    let writing: Promise<void> = Promise.resolve()
    let written: TableLoad | null = null
    try {
      for (let chunk = await readers.next(); chunk && !signal.aborted; chunk = await readers.next()) {
        faultPoint('reader.chunk-read')
        await writing
        written = loads[chunk.table]!
        writing = this.#store(tables[chunk.table]!, chunk)
        // It is awaited above or below; until then a rejection must have a listener.
        writing.catch(() => undefined)
      }
      await writing
    } catch (error) {
      const [wrote] = await Promise.allSettled([writing])
      const failed = wrote.status === 'rejected' && written ? written : loads[readers.at]
      if (failed && !(error instanceof SnapshotStale)) await this.#noteFailure(failed, error)
      throw error
    } finally {
      await readers.stop()
    }
  }

  #begunOf(load: TableLoad): BegunTable {
    const table = this.#tables.get(load.table)!
    const after = this.#openKey(load, load.lastKey)
    return {
      load,
      scope: this.#scopeOf(table),
      after,
      encoder: this.#encoderOf(table, load.run),
      lastKey: after,
      stored: Number(load.rowsStored),
    }
  }

  async #store(begun: BegunTable, { rows, isLast }: LoadChunk): Promise<void> {
    const { appender, onProgress } = this.#session
    const { load, encoder } = begun
    const last = rows.at(-1)
    if (last) {
      const checkpoint = this.#checkpoint(begun, encoder.keyOf(last), rows.length)
      const part = this.#chunkPart(encoder, rows, correlationOf(load, begun.stored))
      begun.lastKey = encoder.keyOf(last)
      begun.stored += rows.length
      await appender.append([part], async (client) => {
        await saveCheckpoint(client, checkpoint)
        if (isLast) await completeTable(client, load.id)
      })
      faultPoint('reader.chunk-stored')
      onProgress({
        kind: 'chunk',
        table: load.table,
        rows: rows.length,
        tableRows: begun.stored,
        estimatedRows: Number(load.rowsEstimate ?? 0n),
      })
    } else if (isLast) {
      await appender.transact((client) => completeTable(client, load.id))
    }
    if (isLast) onProgress({ kind: 'table-loaded', table: load.table, rows: begun.stored })
  }

  #checkpoint({ load, scope, lastKey }: BegunTable, to: readonly string[], rows: number): Checkpoint {
    const { capture } = this.#session
    return {
      migrationId: load.id,
      snapshotLsn: this.#snapshot.lsn,
      kind: 'range',
      from: lastKey === null ? null : capture.sealKey(scope.table, lastKey),
      to: capture.sealKey(scope.table, to),
      rows,
    }
  }

  /** So that `data_migration_state` tells why a load stands; it goes on from its last checkpoint all the same. */
  async #noteFailure(load: TableLoad, error: unknown): Promise<void> {
    try {
      await this.#session.appender.transact((client) => failTable(client, load.id, error))
    } catch (noteError) {
      // It was the store that failed: the first error says so.
      this.#session.logger.warn({ err: noteError, table: load.table }, 'the failure of a load could not be noted')
    }
  }

  async #loadStragglers(load: TableLoad, signal: AbortSignal): Promise<void> {
    const { appender, capture, source } = this.#session
    const table = this.#tables.get(load.table)!
    const encoder = this.#encoderOf(table, load.run)
    const keys = await this.#stragglersOf(load)
    for (let at = 0; at < keys.length && !signal.aborted; at += STRAGGLER_CHUNK_KEYS) {
      const some = keys.slice(at, at + STRAGGLER_CHUNK_KEYS)
      const scope = this.#scopeOf(table)
      const rows = await readKeys({ client: this.#snapshot.clients[0], target: source }, scope, some)
      const settle = (client: ClientBase): Promise<void> =>
        settleStragglers(client, {
          migrationId: load.id,
          keys: some.map((key) => capture.sealKey(table, key)),
          snapshotLsn: this.#snapshot.lsn,
          rows: rows.length,
        })
      if (rows.length === 0) await appender.transact(settle)
      else await appender.append([this.#chunkPart(encoder, rows, `${correlationOf(load, at)}-keys`)], settle)
    }
  }

  #chunkPart(encoder: LoadedRowEncoder, rows: readonly TextRow[], correlationId: string): AppendPart {
    const events: readonly EventDraft[] = rows.map((row, ordinal) => encoder.event(row, ordinal, correlationId))
    const { lsn, takenAt } = this.#snapshot
    return { commit: { kind: 'chunk', commitLsn: lsn, endLsn: LSN_ZERO, committedAt: takenAt }, events, isLast: true }
  }

  #scopeOf(table: CapturedTable): TableScope {
    const { catalog } = this.#session
    return wholeTable(table, keyColumnsOf(table, catalog), catalog.get(qualifiedName(table))!.rowFilter)
  }

  #encoderOf(table: CapturedTable, run: Uuid): LoadedRowEncoder {
    const { record, capture } = this.#session
    return new LoadedRowEncoder({ epoch: record.epoch, run, table, snapshotLsn: this.#snapshot.lsn, capture })
  }

  /** The loads of the tables that the lane has now, in their order. */
  async #progress(): Promise<readonly TableLoad[]> {
    let loads: readonly TableLoad[] = []
    await this.#session.appender.transact(async (client) => {
      loads = await loadProgress(client, this.#session.record.lane)
    })
    return loads.filter((load) => this.#tables.has(load.table))
  }

  async #stragglersOf(load: TableLoad): Promise<readonly (readonly string[])[]> {
    let keys: readonly (readonly string[])[] = []
    await this.#session.appender.transact(async (client) => {
      keys = await pendingStragglers(client, load.id)
    })
    return keys.map((key) => this.#session.capture.openKey(this.#tables.get(load.table)!, key))
  }

  #openKey(load: TableLoad, key: readonly string[] | null): readonly string[] | null {
    return key === null ? null : this.#session.capture.openKey(this.#tables.get(load.table)!, key)
  }
}

/** Names a chunk: the same rows of the same run give the same one. */
function correlationOf(load: TableLoad, rowsBefore: number): string {
  return `load-${load.run.slice(0, 8)}-${load.table}-${rowsBefore}`
}
