/**
 * Making a lane: its row, its slot, and the plan of its load.
 *
 *   (nothing) ─▶ row `creating` ─▶ slot ─▶ row `loading` with the slot's LSN, and the plan, in one transaction
 *
 * Killed between the last two, a slot stands that no position belongs to: the next start finds the row `creating`, drops the
 * slot and makes it anew. A slot of the name without such a row is another's, and is never dropped.
 */
import { randomUUID } from 'node:crypto'
import { LSN_ZERO, SluiceError, faultPoint, parseUuid } from '@sluice/core'
import { type PostgresTarget, toPostgresError } from '@sluice/postgres'
import { type LaneRecord, type NewLane, createLane, getLane, planLoad, setPhase } from '@sluice/store'
import { type LaneDefinition, qualifiedName } from '@sluice/system'
import type pg from 'pg'
import { loadOrder, readReferences } from './load-order.ts'
import { dropSlot } from '../replication/slot-creation.ts'
import type { CatalogTable } from '../source/source-catalog.ts'
import type { SourceIdentity } from '../replication/source-identity.ts'
import { type SourceSnapshot, openSnapshot } from '../replication/source-snapshot.ts'
import { findSlot } from './start-checks.ts'

/** First key of the advisory lock under which a lane's slot is made; the second is the lane. */
const SLOT_CREATION_LOCK = 0x51_02

export interface LaneCreationOptions {
  readonly systemName: string
  readonly lane: LaneDefinition
  readonly source: PostgresTarget
  readonly pipeline: PostgresTarget
  /** Connections of the start, to the source and to the pipeline database. */
  readonly control: pg.Client
  readonly store: pg.Client
  readonly identity: SourceIdentity
  readonly catalog: ReadonlyMap<string, CatalogTable>
  readonly applicationName: string
  readonly slotCreationMs: number
  /** How many sessions are to read from the snapshot. */
  readonly loadReaders: number
  readonly signal: AbortSignal
}

/** Writes the row that says: a slot of this name is ours from now on. @throws SluiceError SLU-2026, SLU-3003 */
export async function beginLane(options: LaneCreationOptions): Promise<LaneRecord> {
  const { systemName, lane, source, control, store, pipeline, identity } = options
  if (await findSlot(control, lane.slotName)) throw slotForeign(options)
  const row: NewLane = {
    systemName,
    laneName: lane.name,
    sourceName: lane.source === 'monolith' ? 'monolith' : lane.source.service,
    systemIdentifier: identity.systemIdentifier,
    databaseName: identity.databaseName,
    slotName: lane.slotName,
    publicationName: lane.publicationName,
    timeline: identity.timeline,
    phase: 'creating',
    storedLsn: LSN_ZERO,
    outboxTopic: lane.outbox?.topic.name ?? null,
  }
  return inTransaction(store, pipeline, () => createLane(store, row)).catch((error: unknown) => {
    throw toPostgresError(error, source)
  })
}

export interface CreatedLane {
  readonly record: LaneRecord
  /** What the load is read from. */
  readonly snapshot: SourceSnapshot
}

/**
 * Makes the slot of a lane that is `creating`. Of two readers one waits meanwhile, and then finds the lane complete. The
 * lock is an advisory one: it writes nothing, and a slot's creation on the same server would wait for a transaction that does.
 *
 * @throws SluiceError SLU-2023 to SLU-2025, SLU-3003
 */
export async function createLaneSlot(options: LaneCreationOptions, record: LaneRecord): Promise<CreatedLane> {
  const { systemName, lane, source, pipeline, control, store, identity, applicationName } = options
  let snapshot: SourceSnapshot | null = null
  try {
    return await inTransaction(store, pipeline, async () => {
      await store.query('SELECT pg_advisory_xact_lock($1, $2)', [SLOT_CREATION_LOCK, record.lane])
      const current = await getLane(store, systemName, lane.name)
      if (current.phase !== 'creating') throw createdElsewhere(lane)
      if (await findSlot(control, lane.slotName)) await dropSlot(control, source, lane.slotName)
      snapshot = await openSnapshot({
        target: source,
        control,
        applicationName,
        slotName: lane.slotName,
        isTemporary: false,
        sessions: options.loadReaders,
        timeoutMs: options.slotCreationMs,
        signal: options.signal,
      })
      faultPoint('reader.slot-made')
      const start = { storedLsn: snapshot.lsn, timeline: identity.timeline }
      await setPhase(store, record, { phase: lane.tables.length === 0 ? 'streaming' : 'loading', start })
      await planTables(options, store, record, lane.tables.map(qualifiedName))
      return { record: await getLane(store, systemName, lane.name), snapshot }
    })
  } catch (error) {
    await (snapshot as SourceSnapshot | null)?.close()
    throw error
  }
}

/** Plans a run over tables, parents first. */
export async function planTables(
  { systemName, lane, control, catalog }: Pick<LaneCreationOptions, 'systemName' | 'lane' | 'control' | 'catalog'>,
  client: pg.ClientBase,
  record: LaneRecord,
  tables: readonly string[],
): Promise<void> {
  if (tables.length === 0) return
  const ordered = loadOrder(tables, await readReferences(control, tables))
  await planLoad(client, {
    systemName,
    laneName: lane.name,
    lane: record.lane,
    run: parseUuid(randomUUID()),
    tables: ordered.map((table) => ({
      table,
      rowsEstimate: BigInt(Math.round(catalog.get(table)?.estimatedRows ?? 0)),
      rowFilter: catalog.get(table)?.rowFilter ?? null,
    })),
  })
}

async function inTransaction<T>(client: pg.Client, target: PostgresTarget, work: () => Promise<T>): Promise<T> {
  try {
    await client.query('BEGIN')
    const result = await work()
    await client.query('COMMIT')
    return result
  } catch (error) {
    // The connection of the start is closed after a failure, which rolls back.
    throw toPostgresError(error, target)
  }
}

function slotForeign({ lane, source, pipeline }: LaneCreationOptions): SluiceError {
  return new SluiceError('SLOT_FOREIGN', {
    what: `slot "${lane.slotName}" exists in ${source.name} (${source.display}), and this pipeline has no lane for it`,
    why: `pipeline database ${pipeline.display} did not make it: another pipeline may read from it, or this one was emptied`,
    ways: [
      'point SLUICE_PIPELINE_URL at the pipeline database that the slot belongs to',
      `SELECT pg_drop_replication_slot('${lane.slotName}')    if nothing needs the slot any more`,
    ],
  })
}

function createdElsewhere(lane: LaneDefinition): SluiceError {
  return new SluiceError('LANE_TAKEN', {
    what: `lane "${lane.name}" was created by another reader`,
    why: 'it was done while this one waited',
    ways: ['sluice status    shows the lane and its reader'],
  })
}
