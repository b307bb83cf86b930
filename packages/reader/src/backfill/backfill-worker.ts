/**
 * Works on the backfills of a lane, one after the other, beside its stream. It waits for the stream at each chunk; the stream
 * waits for it never.
 *
 *   idle ─(a run is there)▶ [ look at the run ▶ wait, or read a chunk ▶ write its high mark ▶ the stream stores it ]… ▶ idle
 *
 * F1  A chunk is read only when a query sees every transaction that is older than the watch of the stream: of those the stream
 *     may have told before the watch began.
 * F2  A chunk's events, its checkpoint and the lane's position are one transaction, at the place of its mark. Killed anywhere, the
 *     run goes on after its last checkpoint.
 * F3  What a person asked for is looked at before each chunk. One chunk is held at most.
 * F4  A row that took a key which was passed already, by an update without all its values, is read again: the store tells which.
 * F5  A fault that may pass is tried again with growing delays, and the run says what it waits for; any other ends the run as
 *     failed. Neither ends the reader.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { LSN_ZERO, type Lsn, SluiceError, backoffMs, faultPoint } from '@sluice/core'
import { connect, faultOf, sqlStateOf, toPostgresError } from '@sluice/postgres'
import {
  type BackfillRun,
  beginBackfill,
  getBackfill,
  incompleteMoves,
  leaveBackfill,
  nextBackfill,
  noteBackfillWait,
  noteStragglers,
  pendingStragglers,
  saveBackfillChunk,
  secondsLeft,
  settleStragglers,
} from '@sluice/store'
import { type CapturedTable, qualifiedName } from '@sluice/system'
import type pg from 'pg'
import { SnapshotStale, type TableScope } from '../load/chunk-reader.ts'
import { keyColumnsOf } from '../source/key-columns.ts'
import type { LaneSession } from '../lane/lane-session.ts'
import { LoadedRowEncoder } from '../load/loaded-events.ts'
import { BackfillPace, reasonToWait } from './backfill-brake.ts'
import { type EmitMark, markEmitter } from './backfill-mark.ts'
import type { BackfillWatch, ReleaseChunk } from './backfill-watch.ts'
import { remainsOf } from './chunk-remains.ts'
import { type ScopeChunk, readScopeKeys, readScopeRange } from './scope-chunk.ts'
import { VisibleTransactions } from './visible-transactions.ts'

/** Keys that are read again at a time. */
const AGAIN_KEYS_MAX = 1_000
/** How often the keys that are left may be read again without one of them getting done. */
const AGAIN_TRIES_MAX = 200
/** Between two looks at something that holds the run up. */
const LOOK_MS = 200
const RETRY = { firstMs: 200, longestMs: 30_000 }
const STATEMENT_CANCELLED = '57014'

/** Works until the signal aborts; never rejects. */
export async function workOnBackfills(session: LaneSession, watch: BackfillWatch, signal: AbortSignal): Promise<void> {
  const { pipeline, applicationName, logger } = session
  for (let attempt = 1; !signal.aborted; attempt += 1) {
    let store: pg.Client | null = null
    try {
      store = await connect(pipeline, { applicationName: `${applicationName} backfill` })
      await workThrough(session, watch, store, signal)
    } catch (error) {
      logger.warn({ err: error }, 'backfills stand: the pipeline database can not be asked')
      await rest(backoffMs(attempt, RETRY), signal)
    } finally {
      // One that broke has ended.
      await store?.end().catch(() => undefined)
    }
  }
}

async function workThrough(session: LaneSession, watch: BackfillWatch, store: pg.Client, signal: AbortSignal): Promise<void> {
  const { record, limits } = session
  while (!signal.aborted) {
    const run = await nextBackfill(store, record.lane)
    if (run) await new BackfillWork(session, watch, store, run).run(signal)
    else await rest(limits.backfillPollMs, signal)
  }
}

/** What one chunk gives the store, beside its events. */
interface ChunkPlan {
  readonly chunk: ScopeChunk
  readonly correlationId: string
  readonly range: {
    readonly from: readonly string[] | null
    readonly to: readonly string[] | null
    readonly rowsRead: number
    readonly isLast: boolean
  } | null
  /** Keys that were read again. */
  readonly again: readonly (readonly string[])[]
}

/** One run, until it ends, stands, or the signal aborts. */
class BackfillWork {
  readonly #session: LaneSession
  readonly #watch: BackfillWatch
  readonly #store: pg.Client
  readonly #pace = new BackfillPace(performance.now())
  #run: BackfillRun
  #attempts = 0
  #fruitlessTries = 0
  /** The youngest transaction that is older than the watch; null once a query saw them all. */
  #unseenBefore: bigint | null = null
  #nextChunkAt = 0
  /** Of the chunk that was saved last. */
  #saved = { rowsStored: 0, rowsDropped: 0 }
  /** Events up to here were looked at for moves; null: from the run's beginning on none was. */
  #movesUpTo: bigint | null = null

  constructor(session: LaneSession, watch: BackfillWatch, store: pg.Client, run: BackfillRun) {
    this.#session = session
    this.#watch = watch
    this.#store = store
    this.#run = run
  }

  /** @throws SluiceError if the pipeline database can not be asked */
  async run(signal: AbortSignal): Promise<void> {
    const { id, status } = this.#run
    if (status === 'requested' && !(await beginBackfill(this.#store, id))) return
    this.#session.logger.info({ backfill: id, table: this.#run.table }, 'backfill goes on')
    while (!signal.aborted && (await this.#isWanted())) {
      try {
        await this.#work(signal)
        return
      } catch (error) {
        if (!(await this.#mayPass(error, signal))) return
      }
    }
  }

  /** Looks at the run as it stands, and does what a person asked for. */
  async #isWanted(): Promise<boolean> {
    await this.#look()
    const { id, status, wanted } = this.#run
    if (status === 'running' && wanted !== 'run') {
      await leaveBackfill(this.#store, id, wanted === 'pause' ? 'paused' : 'cancelled')
      await this.#look()
    }
    return this.#run.status === 'running'
  }

  async #look(): Promise<void> {
    const before = this.#run
    this.#run = await getBackfill(this.#store, before.id)
    const { id, table, status, rowsRead, rowsStored, rowsEstimate, waitsFor } = this.#run
    if (status === before.status && rowsRead === before.rowsRead && waitsFor === before.waitsFor) return
    const left = status === 'running' || status === 'completed' ? secondsLeft(this.#run) : null
    this.#session.onProgress({
      kind: 'backfill',
      id,
      table,
      status,
      rowsRead,
      rowsStored,
      rowsEstimate,
      waitsFor,
      secondsLeft: left,
    })
  }

  async #work(signal: AbortSignal): Promise<void> {
    const { lane, catalog, source, limits, applicationName } = this.#session
    const table = lane.tables.find((t) => qualifiedName(t) === this.#run.table)
    if (!table) throw notCaptured(this.#run.table)
    const client = await connect(source, {
      applicationName: `${applicationName} backfill`,
      statementTimeoutMs: limits.backfillStatementMs,
    })
    // A statement that runs when the reader stops is not waited for: its connection is closed.
    const stop = (): void => {
      client.end().catch(() => undefined)
    }
    signal.addEventListener('abort', stop, { once: true })
    try {
      // As in every session that reads values: names of tables and types have their schema.
      await client.query(`SELECT set_config('search_path', '', false), set_config('lock_timeout', '10s', false)`)
      const emit = await markEmitter(client)
      const { rowFilter } = catalog.get(qualifiedName(table))!
      const scope: TableScope = { ...this.#run.scope, table, columns: keyColumnsOf(table, catalog), rowFilter }
      while (!signal.aborted && (await this.#isWanted())) {
        const reason = await this.#reasonToWait(client, table)
        if (reason !== null) await this.#wait(reason, signal)
        else await this.#nextChunk({ client, emit, scope }, signal)
      }
    } finally {
      signal.removeEventListener('abort', stop)
      this.#watch.end()
      await client.end().catch(() => undefined)
    }
  }

  async #reasonToWait(client: pg.Client, table: CapturedTable): Promise<string | null> {
    if (this.#watch.isLost) {
      this.#watch.begin(table)
      this.#unseenBefore = await youngestTransaction(client)
    }
    if (this.#unseenBefore !== null) {
      const visible = await visibleNow(client)
      if (visible.oldestOpen <= this.#unseenBefore) {
        return `a transaction of the source is open (or waits for a standby) that is older than the watch: ${visible.oldestOpen}`
      }
      this.#unseenBefore = null
      this.#watch.saw(visible)
    }
    return reasonToWait(this.#run, { store: this.#store, source: client })
  }

  async #wait(reason: string, signal: AbortSignal): Promise<void> {
    if (this.#run.waitsFor !== reason) await noteBackfillWait(this.#store, this.#run.id, reason)
    await rest(LOOK_MS, signal)
  }

  async #nextChunk(
    at: { readonly client: pg.Client; readonly emit: EmitMark; readonly scope: TableScope },
    signal: AbortSignal,
  ): Promise<void> {
    const { client, emit, scope } = at
    const plan = await this.#read(client, scope).catch((error: unknown) => {
      if (error instanceof SnapshotStale) return null
      throw error
    })
    if (plan === null) return rest(LOOK_MS, signal)
    this.#watch.saw(plan.chunk.visible)
    const mark = randomUUID()
    const stored = this.#watch.hold(mark, this.#releaseOf(plan, scope.table))
    stored.catch(() => undefined)
    try {
      await emit(mark)
      faultPoint('reader.backfill-mark')
    } catch (error) {
      if (this.#watch.withdraw()) throw error
    }
    if ((await stored) === 'stored') {
      faultPoint('reader.backfill-chunk')
      this.#session.onProgress({ kind: 'backfill-chunk', table: this.#run.table, ...this.#saved })
    }
    this.#attempts = 0
    if (this.#fruitlessTries > AGAIN_TRIES_MAX) throw changesTooOften(this.#run)
    const restMs = this.#fruitlessTries > 0 ? LOOK_MS : this.#nextChunkAt - performance.now()
    await rest(restMs, signal)
  }

  /** Reads the next keys in order, or those that are to be read again; null if there are none. */
  async #read(client: pg.Client, scope: TableScope): Promise<ChunkPlan | null> {
    const { source, capture, limits } = this.#session
    const { id, run, lastKey, isRangeRead, rowsRead, throttle } = this.#run
    this.#movesUpTo = await this.#noteMoves(this.#store, scope.table)
    const from = { client, target: source }
    const name = `backfill-${run.slice(0, 8)}-${qualifiedName(scope.table)}`
    if (isRangeRead) {
      const noted = await pendingStragglers(this.#store, id)
      const again = noted.slice(0, AGAIN_KEYS_MAX).map((key) => capture.openKey(scope.table, key))
      const chunk = await readScopeKeys(from, scope, again)
      return { chunk, correlationId: `${name}-keys-${randomUUID().slice(0, 8)}`, range: null, again }
    }
    const after = lastKey === null ? null : capture.openKey(scope.table, lastKey)
    const pace = throttle.rowsPerSecondMax
    const chunkRowsMax = pace === null ? limits.chunkRowsMax : Math.max(1, Math.min(limits.chunkRowsMax, Math.ceil(pace / 4)))
    const beganAt = performance.now()
    this.#pace.begins(pace, beganAt)
    const chunk = await readScopeRange(from, scope, after, { ...limits, chunkRowsMax })
    if (pace !== null) this.#nextChunkAt = beganAt + (chunk.rowsRead / pace) * 1000
    const { to, rowsRead: passed, isLast } = chunk
    return { chunk, correlationId: `${name}-${rowsRead}`, range: { from: after, to, rowsRead: passed, isLast }, again: [] }
  }

  /** What becomes of a chunk at its mark: its rows without those that changed meanwhile. */
  #releaseOf(plan: ChunkPlan, table: CapturedTable): ReleaseChunk {
    const { record, capture } = this.#session
    const { chunk, correlationId, range } = plan
    return (unseen, lsn) => {
      const encoder = new LoadedRowEncoder({ epoch: record.epoch, run: this.#run.run, table, snapshotLsn: lsn, capture })
      const { left, readAgain } = remainsOf(chunk.rows, unseen, (row) => encoder.keyOf(row), plan.again)
      const events = left.map((row, ordinal) => encoder.event(row, ordinal, correlationId))
      const bytes = events.reduce((sum, event) => sum + event.eventData.length + 400, 0)
      const dropped = chunk.rows.length - left.length
      const rowsPerSecond = range === null ? null : this.#pace.passed(range.rowsRead, performance.now())
      return {
        part: { commit: { kind: 'chunk', commitLsn: lsn, endLsn: LSN_ZERO, committedAt: chunk.readAt }, events, isLast: true },
        bytes,
        save: (client) => this.#save(client, plan, { table, lsn, stored: left.length, dropped, readAgain, rowsPerSecond }),
      }
    }
  }

  async #save(
    client: pg.ClientBase,
    { range, again }: ChunkPlan,
    result: {
      readonly table: CapturedTable
      readonly lsn: Lsn
      readonly stored: number
      readonly dropped: number
      readonly readAgain: readonly (readonly string[])[]
      readonly rowsPerSecond: number | null
    },
  ): Promise<void> {
    const { table, lsn, stored, dropped, readAgain, rowsPerSecond } = result
    const { id } = this.#run
    const seal = (key: readonly string[]): readonly string[] => this.#session.capture.sealKey(table, key)
    if (again.length > 0) {
      await settleStragglers(client, { migrationId: id, keys: again.map(seal), snapshotLsn: lsn, rows: stored })
    }
    if (readAgain.length > 0) await noteStragglers(client, { migrationId: id, keys: readAgain.map(seal), snapshotLsn: lsn })
    // What came since the chunk was begun; after the last chunk nobody looks any more.
    if (range === null || range.isLast) await this.#noteMoves(client, table)
    const sealed = range && { ...range, from: range.from && seal(range.from), to: range.to && seal(range.to) }
    await saveBackfillChunk(client, { id, lsn, range: sealed, rowsStored: stored, rowsDropped: dropped, rowsPerSecond })
    this.#saved = { rowsStored: stored, rowsDropped: dropped }
    // A chunk that gets no key done is no progress; the run says so after so many.
    this.#fruitlessTries = range === null && readAgain.length >= again.length ? this.#fruitlessTries + 1 : 0
  }

  /** Notes keys that rows took without all their values; gives the position up to which it looked. */
  async #noteMoves(client: pg.ClientBase, table: CapturedTable): Promise<bigint> {
    const { record } = this.#session
    const after = this.#movesUpTo ?? this.#run.begunAt
    // Of a private key the store has the captured form only, by which no row is found.
    if (table.key.some((column) => table.privacy[column] !== undefined)) return after
    const moved = { lane: record.lane, eventType: table.eventTypes.updated, key: table.key, columns: table.columnNames }
    for (let upTo = after; ;) {
      const moves = await incompleteMoves(client, moved, upTo)
      if (moves.keys.length > 0) {
        await noteStragglers(client, { migrationId: this.#run.id, keys: moves.keys, snapshotLsn: LSN_ZERO })
      }
      upTo = moves.upTo
      if (moves.isLast) return upTo
    }
  }

  /** A fault that may pass is waited out; any other is the end of the run. */
  async #mayPass(error: unknown, signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return false
    const { source, logger } = this.#session
    const { id, table } = this.#run
    const isSlow = sqlStateOf(causeOf(error)) === STATEMENT_CANCELLED
    const known = isSlow ? tooSlow(this.#run, this.#session.limits.backfillStatementMs) : toPostgresError(error, source)
    if (!isSlow && (faultOf(causeOf(error)) === 'transient' || known.retry !== 'never')) {
      this.#attempts += 1
      logger.warn({ err: known, backfill: id, table }, 'backfill waits and is tried again')
      await this.#wait(known.message, signal)
      await rest(backoffMs(this.#attempts, RETRY), signal)
      return true
    }
    logger.error({ err: known, backfill: id, table }, 'backfill failed')
    await leaveBackfill(this.#store, id, 'failed', known)
    await this.#look()
    return false
  }
}

/** A transaction of now: every one that the stream told of before is older. It is rolled back, so nothing waits for it. */
async function youngestTransaction(client: pg.Client): Promise<bigint> {
  await client.query('BEGIN')
  const { rows } = await client.query<{ xid: string }>('SELECT pg_current_xact_id()::text AS xid')
  await client.query('ROLLBACK')
  return BigInt(rows[0]!.xid)
}

async function visibleNow(client: pg.Client): Promise<VisibleTransactions> {
  const { rows } = await client.query<{ visible: string }>('SELECT pg_current_snapshot()::text AS visible')
  return new VisibleTransactions(rows[0]!.visible)
}

async function rest(ms: number, signal: AbortSignal): Promise<void> {
  if (ms > 0) await delay(ms, undefined, { signal }).catch(() => undefined)
}

function causeOf(error: unknown): unknown {
  return error instanceof SluiceError && error.cause !== undefined ? error.cause : error
}

function notCaptured(table: string): SluiceError {
  return new SluiceError('BACKFILL_REFUSED', {
    what: `${table} can not be backfilled`,
    why: 'the lane does not capture it any more',
    ways: ['name it in the system definition again: it is loaded whole then'],
  })
}

function tooSlow({ id, table }: BackfillRun, statementMs: number): SluiceError {
  return new SluiceError('BACKFILL_CHUNK_SLOW', {
    what: `a chunk of the backfill of ${table} took too long`,
    why: `a statement was cancelled; it may take ${statementMs / 1000} s`,
    ways: ['see that the filter is quick for any row, and that the source has room', `sluice backfill resume ${id}`],
  })
}

function changesTooOften({ id, table }: BackfillRun): SluiceError {
  return new SluiceError('BACKFILL_CHUNK_SLOW', {
    what: `some rows of ${table} could not be read at rest`,
    why: `they changed each of ${AGAIN_TRIES_MAX} times, and PostgreSQL did not send their large values with the changes`,
    ways: [`ALTER TABLE ${table} REPLICA IDENTITY FULL    makes PostgreSQL send them`, `sluice backfill resume ${id}`],
  })
}
