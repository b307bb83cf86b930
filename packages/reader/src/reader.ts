/**
 * The reader of a lane: from a source's WAL into the event store.
 *
 *   start checks ─▶ (lane new: publication, slot, plan) ─▶ load what is not loaded ─▶ stream until the signal aborts
 *
 * `run` may be called again after it ended, and then begins from what is stored. Everything that is missing is made at the
 * first start: the publication, the lane and its slot.
 */
import { type Logger, faultPoint, formatLsn, isSluiceError } from '@sluice/core'
import { type PostgresTarget, connect, toPostgresError } from '@sluice/postgres'
import { Capture, type MasterKeys } from '@sluice/privacy'
import {
  type LaneRecord,
  assertStoreMigrated,
  createEventAppender,
  findLane,
  loadProgress,
  setPhase,
  setTimeline,
} from '@sluice/store'
import { type LaneDefinition, type SystemDefinition, qualifiedName } from '@sluice/system'
import type pg from 'pg'
import { loadTables } from './load/initial-load.ts'
import { type LaneCreationOptions, beginLane, createLaneSlot, planTables } from './lane/lane-creation.ts'
import type { LaneSession } from './lane/lane-session.ts'
import { outboxName } from './source/outbox-table.ts'
import { type PublicationOptions, ensurePublication, laneRelations } from './source/publication.ts'
import { readPublished } from './source/published-tables.ts'
import { READER_LIMITS, type ReaderLimits } from './reader-limits.ts'
import type { OnReaderProgress } from './reader-progress.ts'
import { sealingAppender } from './lane/sealing-appender.ts'
import { assertRowsReadable } from './source/row-visibility.ts'
import { readCatalog } from './source/source-catalog.ts'
import { SourceTypes } from './source/source-types.ts'
import { connectForReplication, identifySource } from './replication/source-identity.ts'
import type { SourceSnapshot } from './replication/source-snapshot.ts'
import { assertHandOver, assertWalLevel } from './lane/start-checks.ts'
import { streamChanges } from './stream/stream-changes.ts'
import { assertTables } from './source/table-check.ts'

/** A failure of streaming that comes so long after the one before has nothing to do with it. */
const STREAMS_AGAIN_AFTER_MS = 600_000

export interface ReaderOptions {
  readonly system: Pick<SystemDefinition, 'name'>
  readonly lane: LaneDefinition
  /** The database that the lane reads: the monolith, or a service's. */
  readonly source: PostgresTarget
  readonly pipeline: PostgresTarget
  /** Needed where a table of the lane has a hashed or encrypted column. */
  readonly masterKeys?: MasterKeys | null
  readonly logger: Logger
  readonly limits?: Partial<ReaderLimits>
  readonly onProgress?: OnReaderProgress
}

export interface Reader {
  /**
   * Reads until the signal aborts.
   *
   * @throws SluiceError of the 2xxx range for the source and its slot, of the 3xxx range for the store
   */
  run(signal: AbortSignal): Promise<void>
}

export function createReader(options: ReaderOptions): Reader {
  return {
    run: (signal) => runUntilStopped(options, signal),
  }
}

/** Begins again by itself where PostgreSQL could not decode what it streams: whole transactions it can. */
async function runUntilStopped(options: ReaderOptions, signal: AbortSignal): Promise<void> {
  let streamingFailures = 0
  let failedAt = Number.NEGATIVE_INFINITY
  while (!signal.aborted) {
    try {
      await runReader(options, streamingFailures, signal)
      return
    } catch (error) {
      if (!isSluiceError(error, 'SOURCE_STREAMING_FAILED')) throw error
      const now = performance.now()
      streamingFailures = now - failedAt > STREAMS_AGAIN_AFTER_MS ? 1 : streamingFailures + 1
      failedAt = now
      options.logger.warn({ error, streamingFailures }, 'begins again from the stored position, without streaming')
    }
  }
}

async function runReader(options: ReaderOptions, streamingFailures: number, signal: AbortSignal): Promise<void> {
  const applicationName = `sluice reader ${options.lane.name}`
  const control = await connect(options.source, { applicationName })
  try {
    // Nothing on the search path: then PostgreSQL prints every type with its schema.
    await control.query(`SELECT set_config('search_path', '', false)`)
    await runWith(options, { control, applicationName, streamingFailures }, signal)
  } catch (error) {
    // Stopped while it waited for a slot: nothing was made.
    if (signal.aborted && isSluiceError(error, 'SLOT_CREATION_BLOCKED')) return
    throw toPostgresError(error, options.source)
  } finally {
    await control.end()
  }
}

async function runWith(
  options: ReaderOptions,
  start: Pick<RunParts, 'control' | 'applicationName' | 'streamingFailures'>,
  signal: AbortSignal,
): Promise<void> {
  const { lane, pipeline } = options
  const limits = { ...READER_LIMITS, ...options.limits }
  const onProgress = options.onProgress ?? (() => undefined)
  await assertStoreMigrated(pipeline)
  // Before anything is made: without its master key a reader must not begin a lane.
  const capture = await Capture.open({
    system: options.system.name,
    tables: lane.tables,
    pipeline,
    master: options.masterKeys ?? null,
    applicationName: start.applicationName,
  })
  try {
    await runCaptured(options, { ...start, capture, limits, onProgress }, signal)
  } finally {
    await capture.close()
  }
}

interface RunParts extends Pick<LaneSession, 'control' | 'capture' | 'applicationName' | 'limits' | 'onProgress'> {
  /** How often this run has begun again since PostgreSQL could not decode what it streams. */
  readonly streamingFailures: number
}

async function runCaptured(options: ReaderOptions, parts: RunParts, signal: AbortSignal): Promise<void> {
  const { lane, source, pipeline, logger } = options
  const { streamingFailures, ...shared } = parts
  const { control, capture, applicationName, limits, onProgress } = shared
  const { record, snapshot, catalog } = await prepare(options, control, { applicationName, limits, signal })
  const session = async (): Promise<LaneSession> => ({
    ...shared,
    lane,
    record,
    source,
    pipeline,
    catalog,
    types: await SourceTypes.read(control),
    logger,
    appender: sealingAppender(
      await createEventAppender({ target: pipeline, lane: record, serviceName: applicationName, logger }),
      capture,
    ),
  })
  let opened: LaneSession | null = null
  try {
    await meetErasures(capture, control, logger)
    opened = await session()
    onProgress({ kind: 'phase', phase: record.phase })
    if (record.phase === 'loading') await loadTables({ session: opened, first: snapshot }, signal)
    else await snapshot?.close()
    if (!signal.aborted) await streamChanges(opened, streamingFailures, signal)
  } catch (error) {
    if (!opened) await snapshot?.close()
    throw error
  } finally {
    await opened?.appender.close()
  }
}

/** Before a row is sealed: an older copy of the pipeline database has keys that are destroyed. */
async function meetErasures(capture: Capture, control: pg.Client, logger: Logger): Promise<void> {
  const { destroyed, unrecorded } = await capture.meetErasures(control)
  if (destroyed > 0) logger.warn({ subjects: destroyed }, 'the pipeline database lacked erasures, which were applied again')
  if (unrecorded > 0)
    logger.warn({ subjects: unrecorded }, 'the source lacks erasures and its role may not write them: sluice erase --recorded')
}

interface Prepared {
  readonly record: LaneRecord
  readonly snapshot: SourceSnapshot | null
  readonly catalog: LaneSession['catalog']
}

/** Checks the hand-over from the source to the lane, and makes what is missing. */
async function prepare(
  options: ReaderOptions,
  control: pg.Client,
  { applicationName, limits, signal }: { applicationName: string; limits: ReaderLimits; signal: AbortSignal },
): Promise<Prepared> {
  const { system, lane, source, pipeline, logger } = options
  const store = await connect(pipeline, { applicationName })
  const replication = await connectForReplication(source, applicationName).catch(async (error: unknown) => {
    await store.end()
    throw error
  })
  try {
    await assertWalLevel(control, source)
    const identity = await identifySource(replication)
    const known = await findLane(store, system.name, lane.name)
    if (known && known.phase !== 'creating') {
      await assertHandOver({ control, replication, target: source, identity, record: known })
    }
    const catalog = await readCatalog(control, laneRelations(lane), await readPublished(control, lane.publicationName))
    const isStreaming = known?.phase === 'streaming' && !(await hasNewTables(store, known, lane))
    const changed = assertTables(lane, catalog, source, isStreaming)
    await assertRowsReadable(control, source, lane.tables)
    for (const why of changed)
      logger.warn({ why }, 'a captured table was changed in the source; its events may not fit the definition')
    await ensurePublication(control, { lane, target: source, logger, catalog, ...(await reliance(store, known, lane)) })
    const creation: LaneCreationOptions = {
      systemName: system.name,
      lane,
      source,
      pipeline,
      control,
      store,
      identity,
      catalog,
      applicationName,
      slotCreationMs: limits.slotCreationMs,
      loadReaders: limits.loadReaders,
      signal,
    }
    if (known && known.phase !== 'creating') {
      if (identity.timeline !== known.timeline) await setTimeline(store, known, identity.timeline)
      return { record: await planNewTables(creation, known), snapshot: null, catalog }
    }
    const created = await createLaneSlot(creation, known ?? (await beginLane(creation)))
    faultPoint('reader.lane-made')
    logger.info({ slot: lane.slotName, lsn: formatLsn(created.snapshot.lsn) }, 'slot created')
    return { ...created, catalog }
  } finally {
    await Promise.all([replication.end(), store.end()])
  }
}

/** What of the publication the store was filled with: none of the later changes of such a table may be missing. */
async function reliance(
  store: pg.Client,
  known: LaneRecord | null,
  lane: LaneDefinition,
): Promise<Pick<PublicationOptions, 'reliedOn' | 'loadedFilters'>> {
  if (!known || known.phase === 'creating') return { reliedOn: new Set(), loadedFilters: new Map() }
  const loads = await loadProgress(store, known.lane)
  const begun = loads.filter((load) => load.status === 'completed' || load.lastKey !== null).map((load) => load.table)
  return {
    reliedOn: new Set([...begun, ...(lane.outbox ? [qualifiedName(outboxName(lane.outbox))] : [])]),
    loadedFilters: new Map(loads.map((load) => [load.table, load.rowFilter])),
  }
}

async function hasNewTables(store: pg.Client, record: LaneRecord, lane: LaneDefinition): Promise<boolean> {
  return (await newTables(store, record, lane)).length > 0
}

async function newTables(store: pg.Client, record: LaneRecord, lane: LaneDefinition): Promise<readonly string[]> {
  const planned = new Set((await loadProgress(store, record.lane)).map((load) => load.table))
  return lane.tables.map(qualifiedName).filter((name) => !planned.has(name))
}

/** Tables that came into the definition since: they are loaded as an interrupted load is. */
async function planNewTables(creation: LaneCreationOptions, record: LaneRecord): Promise<LaneRecord> {
  const { store, lane } = creation
  const added = await newTables(store, record, lane)
  if (added.length === 0) return record
  await store.query('BEGIN')
  await setPhase(store, record, { phase: 'loading' })
  await planTables(creation, store, record, added)
  await store.query('COMMIT')
  return { ...record, phase: 'loading' }
}
