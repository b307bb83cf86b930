/**
 * Reads the tables of a load through several sessions of one snapshot, and gives their chunks in the order of tables and keys.
 *
 *   a session is free ─▶ finds where its range ends ─▶ reads it ─▶ holds the chunk ─(its turn)─▶ given ─▶ free
 *                                                          └──(the bytes cut it: the same session reads the rest)──┘
 *
 * R1  Chunks are given in the order of the tables, and within one in key order, whichever session is first. So the last key of a
 *     table tells what is loaded of it, and parents come before children.
 * R2  A session holds one chunk at most, and reads on when that was given.
 * R3  The next range begins as soon as the end of the one before is found: all sessions see the same rows.
 */
import { type ChunkLimits, type ChunkSource, type TableScope, type TextRow, readRange } from './chunk-reader.ts'

export interface TableToRead {
  readonly scope: TableScope
  /** Key of the last row that was stored; null before the first. */
  readonly after: readonly string[] | null
}

export interface LoadChunk {
  /** Place in the given tables. */
  readonly table: number
  /** May be none. */
  readonly rows: readonly TextRow[]
  /** False if the table goes on. */
  readonly isLast: boolean
}

export interface LoadReadersOptions {
  /** Sessions that see the same rows. */
  readonly sources: readonly ChunkSource[]
  /** In the order of the load. */
  readonly tables: readonly TableToRead[]
  readonly limits: ChunkLimits
  /** Another one in tests. */
  readonly read?: typeof readRange
}

/** Where a range begins. */
interface Place {
  readonly table: number
  readonly after: readonly string[] | null
}

/** What the bytes left of a range; `to` is null where it has no end but the table's. */
interface Rest extends Place {
  readonly to: readonly string[] | null
}

interface Reading {
  readonly source: ChunkSource
  /** Null after the last table. */
  readonly place: Promise<Place | null>
  readonly chunk: Promise<ReadChunk | null>
}

interface ReadChunk extends LoadChunk {
  readonly rest: Rest | null
}

/** Keys of a table's first range, which tells how large its rows are. */
const FIRST_RANGE_ROWS = 500
/** Part of a chunk's bytes that a range is to fill: one that has more is read in two steps, by one session. */
const RANGE_FILLS = 0.75

export class LoadReaders {
  readonly #tables: readonly TableToRead[]
  readonly #limits: ChunkLimits
  readonly #free: ChunkSource[]
  /** In the order in which their chunks are given. */
  readonly #readings: Reading[] = []
  readonly #read: { rows: number; bytes: number }[]
  readonly #readRange: typeof readRange
  #place: Promise<Place | null>
  #at = 0
  #isStopped = false

  constructor({ sources, tables, limits, read = readRange }: LoadReadersOptions) {
    this.#tables = tables
    this.#limits = limits
    this.#readRange = read
    this.#free = [...sources]
    this.#read = tables.map(() => ({ rows: 0, bytes: 0 }))
    this.#place = Promise.resolve(this.#beginOf(0))
  }

  /** The table whose chunk is waited for, or was given last. */
  get at(): number {
    return this.#at
  }

  /** The next chunk; null after the last. @throws SnapshotStale, SluiceError */
  async next(): Promise<LoadChunk | null> {
    this.#readOn()
    const reading = this.#readings.shift()
    const place = (await reading?.place) ?? null
    if (!reading || !place) return null
    this.#at = place.table
    const chunk = (await reading.chunk)!
    if (chunk.rest) this.#readings.unshift(this.#readRest(reading.source, chunk.rest))
    else this.#free.push(reading.source)
    this.#readOn()
    return chunk
  }

  /** Resolves when no session reads any more. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.allSettled(this.#readings.map(({ chunk }) => chunk))
  }

  #readOn(): void {
    for (let source = this.#free.shift(); source; source = this.#free.shift()) {
      const place = this.#place
      const next = Promise.withResolvers<Place | null>()
      this.#place = next.promise
      this.#readings.push(begun(source, place, this.#readNext(source, place, next.resolve)))
    }
  }

  async #readNext(
    source: ChunkSource,
    beginning: Promise<Place | null>,
    goOnAt: (place: Place | null) => void,
  ): Promise<ReadChunk | null> {
    try {
      const place = await beginning
      if (!place || this.#isStopped) return null
      const { table, after } = place
      let to: readonly string[] | null = null
      const chunk = await this.#readRange(source, this.#tables[table]!.scope, after, this.#limitsOf(table), (bound) => {
        to = bound
        goOnAt(bound === null ? this.#beginOf(table + 1) : { table, after: bound })
      })
      this.#note(table, chunk)
      const rest = chunk.isCut ? { table, after: chunk.to, to } : null
      return { table, rows: chunk.rows, isLast: chunk.isLast, rest }
    } finally {
      // Where it failed before it found its end: nothing after it is given, so nothing is to be read.
      goOnAt(null)
    }
  }

  #readRest(source: ChunkSource, rest: Rest): Reading {
    const { table, after, to } = rest
    const read = async (): Promise<ReadChunk> => {
      const scope = { ...this.#tables[table]!.scope, to }
      const chunk = await this.#readRange(source, scope, after, this.#limitsOf(table))
      this.#note(table, chunk)
      const { rows, isLast } = chunk
      return { table, rows, isLast: isLast && to === null, rest: isLast ? null : { table, after: chunk.to, to } }
    }
    return begun(source, Promise.resolve(rest), read())
  }

  #beginOf(table: number): Place | null {
    const begun = this.#tables[table]
    return begun ? { table, after: begun.after } : null
  }

  #note(table: number, { rows, bytes }: { readonly rows: readonly TextRow[]; readonly bytes: number }): void {
    const read = this.#read[table]!
    read.rows += rows.length
    read.bytes += bytes
  }

  #limitsOf(table: number): ChunkLimits {
    const { chunkRowsMax, chunkBytesMax } = this.#limits
    const { rows, bytes } = this.#read[table]!
    const fitting = rows === 0 ? FIRST_RANGE_ROWS : Math.floor((chunkBytesMax * RANGE_FILLS * rows) / bytes)
    return { chunkRowsMax: Math.max(1, Math.min(chunkRowsMax, fitting)), chunkBytesMax }
  }
}

/** It is awaited in its turn; until then a rejection must have a listener. */
function begun(source: ChunkSource, place: Promise<Place | null>, chunk: Promise<ReadChunk | null>): Reading {
  chunk.catch(() => undefined)
  return { source, place, chunk }
}
