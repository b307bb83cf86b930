/**
 * The tables that a service has in a sink, compared with the event store at the place of the service, value by value: in tables of events
 * every event, of objects the state.
 *
 * Not expected are events that stand parked, at the service or the relay, and those that were given up there.
 */
import { withConnection } from '@sluice/postgres'
import { type OpenSinks, type Sink, sinkTableName } from '@sluice/sink'
import { listLanes, retainedAfter } from '@sluice/store'
import { MONOLITH_LANE, type SinkTable, type SystemDefinition } from '@sluice/system'
import type { Client } from 'pg'
import type { ServicePoint } from './comparison-point.ts'
import { KEY_CHANGES_MAX, expectedObjects } from './expected-objects.ts'
import type { AskStore } from './object-event.ts'
import type { SinkComparison } from './sink-comparison.ts'
import { compareSinkEvents } from './sink-events.ts'
import { compareSinkObjects } from './sink-objects.ts'
import { SnapshotSession } from './snapshot-session.ts'
import { unverifiableTable } from './verify-table.ts'
import type { OnVerifyProgress } from './verify-progress.ts'
import type { TableReport } from './verify-report.ts'
import type { VerifyTargets } from './verify-targets.ts'

export interface SinkScope {
  readonly system: SystemDefinition
  readonly targets: Pick<VerifyTargets, 'pipeline'>
  readonly openSinks: OpenSinks
  readonly onProgress: OnVerifyProgress
  readonly signal: AbortSignal
}

/** What is read of a service's point. */
export type SinkPoint = Pick<ServicePoint, 'lanes'> & { readonly session: Pick<SnapshotSession, 'query'> }

/** A report for each table that the service has in a sink. @throws SluiceError SLU-5101 to SLU-5103 of the sink */
export async function verifySinks(scope: SinkScope, service: string, point: SinkPoint): Promise<readonly TableReport[]> {
  const tables = scope.system.services[service]?.sinks ?? []
  const [first] = tables
  if (first === undefined) return []
  const open = scope.openSinks[service]
  if (open === undefined) {
    return tables.map((table) =>
      unverifiableTable(sinkTableName(table), `the ${table.store} of service "${service}" was not named`),
    )
  }
  const sink = open()
  try {
    await sink.open()
    return await withConnection(scope.targets.pipeline, { applicationName: 'sluice verify' }, async (pipeline) => {
      const reports: TableReport[] = []
      for (const table of tables) reports.push(await verifySinkTable(scope, { sink, service, table, point, pipeline }))
      return reports
    })
  } finally {
    await sink.close()
  }
}

interface OpenedTable {
  readonly sink: Sink
  readonly service: string
  readonly table: SinkTable
  readonly point: SinkPoint
  readonly pipeline: Client
}

async function verifySinkTable(scope: SinkScope, opened: OpenedTable): Promise<TableReport> {
  const { sink, service, table, point, pipeline } = opened
  const name = sinkTableName(table)
  const lane = (await listLanes(pipeline, scope.system.name)).find((l) => l.laneName === MONOLITH_LANE)
  const through = point.lanes.find((l) => l.lane === MONOLITH_LANE)?.position
  if (!lane || through === undefined) return unverifiableTable(name, 'nothing was captured yet')
  const dropped = await retainedAfter(pipeline, lane.lane)
  if (dropped > 0n) {
    return unverifiableTable(name, `retention removed the events up to position ${dropped}, which the table may hold`)
  }
  const absent = await absentEvents(point, pipeline)
  const tell = (rows: number, of: number | null): void => scope.onProgress({ phase: 'sink', service, table: name, rows, of })
  tell(0, null)
  const count = Number(await sink.count(table))
  tell(0, count)
  const onRows = (rows: number): void => tell(rows, count)
  const comparison: SinkComparison = { sink, table, lane: lane.lane, through, absent, onRows }
  const ask: AskStore = async <Row extends object>(text: string, values: readonly unknown[]) =>
    (await pipeline.query<Row>(text, [...values])).rows
  return table.kind === 'events' ? compareSinkEvents(ask, comparison) : compareObjects(scope, ask, comparison)
}

async function compareObjects(scope: SinkScope, ask: AskStore, comparison: SinkComparison): Promise<TableReport> {
  const session = await SnapshotSession.open(scope.targets.pipeline, { signal: scope.signal })
  try {
    const expected = await expectedObjects(session, comparison)
    if (expected !== null) return await compareSinkObjects(expected, ask, comparison)
    const why = `keys of ${comparison.table.source.name} changed more than ${KEY_CHANGES_MAX} times, which are not followed`
    return unverifiableTable(sinkTableName(comparison.table), why)
  } finally {
    await session.close()
  }
}

async function absentEvents(point: SinkPoint, pipeline: Client): Promise<ReadonlySet<string>> {
  const atService = await point.session.query<{ id: string }>(
    `SELECT event_id::text AS id FROM public.parked_events
     UNION SELECT event_id::text FROM public.parked_event_results WHERE result <> 'applied'`,
  )
  const { rows: atRelay } = await pipeline.query<{ id: string }>(
    `SELECT event_id::text AS id FROM public.relay_parked_events
     UNION SELECT event_id::text FROM public.relay_parked_results WHERE result <> 'published'`,
  )
  return new Set([...atService, ...atRelay].map((row) => row.id))
}
