/** Backfills over the tables of the load tests, and what must hold of them whatever happened. */
import type { StoredEvent } from '@sluice/core'
import {
  BACKFILL_THROTTLE,
  type BackfillRun,
  type BackfillScope,
  type BackfillThrottle,
  getBackfill,
  getLane,
  requestBackfill,
  throttleBackfill,
  verifyChain,
} from '@sluice/store'
import { type CapturedTable, qualifiedName } from '@sluice/system'
import pg from 'pg'
import { expect } from 'vitest'
import { EventFold } from './event-fold.ts'
import { LateFold } from './late-fold.ts'
import { accounts, codes, entries, visits } from './load-system.ts'
import { type ReaderFixture, type RunningReader, SYSTEM } from './reader-fixture.ts'

export const TABLES = [accounts, entries, codes, visits]

export interface StartedBackfill extends BackfillRun {
  /** Position of the lane when it was asked for. */
  readonly askedAt: bigint
}

export async function startBackfill(
  source: ReaderFixture,
  table: CapturedTable,
  options: Partial<BackfillScope & BackfillThrottle> = {},
): Promise<StartedBackfill> {
  const lane = await getLane(source.store, SYSTEM.name, source.lane.name)
  const { rows } = await source.source.query<{ rows: string }>(`SELECT count(*)::text AS rows FROM ${table.name}`)
  const { from = null, to = null, filter = null, ...throttle } = options
  const run = await requestBackfill(source.store, {
    systemName: SYSTEM.name,
    laneName: source.lane.name,
    lane: lane.lane,
    table: qualifiedName(table),
    scope: { from, to, filter },
    throttle: { ...BACKFILL_THROTTLE, ...throttle },
    rowsEstimate: BigInt(rows[0]!.rows),
    requestedBy: 'test',
  })
  return { ...run, askedAt: lane.position }
}

/**
 * Starts a backfill that passes so many rows and then waits, as for a relay that is behind, until it is let go: it is in the middle,
 * however slow or quick the servers are. Nothing else may be stored until it stands.
 */
export async function startHeldBackfill(
  source: ReaderFixture,
  reader: RunningReader,
  table: CapturedTable,
  { rows, rowsPerSecondMax = null }: { readonly rows: number; readonly rowsPerSecondMax?: number | null },
): Promise<StartedBackfill> {
  const { position } = await getLane(source.store, SYSTEM.name, source.lane.name)
  const run = await startBackfill(source, table, { lagEventsMax: Number(position) + rows - 1, rowsPerSecondMax })
  const held = await backfillUntil(source, reader, run, ({ waitsFor }) => waitsFor?.includes('are not published yet') === true)
  expect(held).toMatchObject({ status: 'running', rowsRead: BigInt(rows) })
  return run
}

export async function letGo(source: ReaderFixture, { id }: Pick<BackfillRun, 'id'>): Promise<void> {
  await throttleBackfill(source.store, id, { lagEventsMax: BACKFILL_THROTTLE.lagEventsMax }, 'test')
}

/** Resolves with the run when it fits; the reader tells whenever a run moves. */
export async function backfillUntil(
  source: ReaderFixture,
  reader: RunningReader,
  { id }: Pick<BackfillRun, 'id'>,
  fits: (run: BackfillRun) => boolean,
): Promise<BackfillRun> {
  for (;;) {
    const told = reader.next('backfill', (p) => p.id === id)
    told.catch(() => undefined)
    const run = await getBackfill(source.store, id)
    if (fits(run)) return run
    if (['completed', 'cancelled', 'failed'].includes(run.status)) {
      throw new Error(`the backfill is ${run.status}: ${JSON.stringify(run.error)}`)
    }
    await told
  }
}

export async function completed(source: ReaderFixture, reader: RunningReader, run: BackfillRun): Promise<BackfillRun> {
  return backfillUntil(source, reader, run, ({ status }) => status === 'completed')
}

/** The rows of a run in the order of their positions. */
export async function backfilledEvents(
  source: ReaderFixture,
  { run }: Pick<BackfillRun, 'run'>,
): Promise<readonly StoredEvent[]> {
  return (await source.events()).filter((event) => event.migrationId === run)
}

export async function sourceRows(source: ReaderFixture, table: CapturedTable): Promise<readonly string[]> {
  const columns = table.columnNames.map((c) => `${pg.escapeIdentifier(c)}::text`).join(', ')
  const { rows } = await source.source.query<(string | null)[]>({
    text: `SELECT ${columns} FROM ${table.name}`,
    rowMode: 'array',
  })
  return rows.map((row) => JSON.stringify(row)).sort()
}

/**
 * The oracle, after the readers were stopped: positions and LSNs in order; each row of a backfill is the row that the stream made, at its
 * position; every table equals its source; and so does what a service holds that began empty when a run of a whole table was asked for.
 */
export async function expectConsistent(
  source: ReaderFixture,
  runs: readonly BackfillRun[],
  whole: readonly StartedBackfill[] = [],
): Promise<void> {
  const events = await source.events()
  const fold = new EventFold(TABLES, new Set(runs.map(({ run }): string => run)))
  const late = whole.map(({ table: name, askedAt }) => {
    const table = TABLES.find((t) => qualifiedName(t) === name)!
    return { table, askedAt, fold: new LateFold(table) }
  })
  let lsn = 0n
  for (const [index, event] of events.entries()) {
    expect(event.position).toBe(BigInt(index + 1))
    expect(event.commitLsn).toBeGreaterThanOrEqual(lsn)
    lsn = event.commitLsn
    fold.apply(event)
    for (const service of late) if (event.position > service.askedAt) service.fold.apply(event, fold.rowAfter(event))
  }
  for (const table of TABLES) expect(fold.rows(table)).toEqual(await sourceRows(source, table))
  for (const service of late) expect(service.fold.rows()).toEqual(await sourceRows(source, service.table))
  expect(new Set(events.map((e) => e.eventId)).size).toBe(events.length)
  const record = await getLane(source.store, SYSTEM.name, source.lane.name)
  expect(await verifyChain(source.pipelineTarget, record)).toMatchObject({ isWhole: true })
}

/** Keys of a run's rows, as text. */
export async function backfilledKeys(source: ReaderFixture, run: Pick<BackfillRun, 'run'>): Promise<readonly (string | null)[]> {
  return (await backfilledEvents(source, run)).map((event) => event.aggregateKey)
}
