/**
 * Compares tables of events in a sink with the event store, both ways: every event that the service has applied is in the table once, in
 * collapsed state, and no other is. Events of a service that is at a position do not change below it, so nothing has to be held up.
 *
 * Not expected are events that stand parked, at the service or the relay, and those that were given up there.
 */
import type { PositionNumber } from '@sluice/core'
import { withConnection } from '@sluice/postgres'
import type { Sink } from '@sluice/sink'
import { listLanes } from '@sluice/store'
import { MONOLITH_LANE, type SinkTable, type SystemDefinition } from '@sluice/system'
import type { Client } from 'pg'
import type { ServicePoint } from './comparison-point.ts'
import type { DifferenceExample, TableReport } from './verify-report.ts'
import type { VerifyTargets } from './verify-targets.ts'
import { unverifiableTable } from './verify-table.ts'

/** Makes the sink of a service, by the service's name. */
export type OpenSinks = Readonly<Record<string, () => Sink>>

export interface SinkScope {
  readonly system: SystemDefinition
  readonly targets: VerifyTargets
  readonly openSinks: OpenSinks
}

const PAGE_EVENTS = 20_000
const EXAMPLES_MAX = 10

/** A report for each table that the service has in a sink. @throws SluiceError SLU-5101 to SLU-5103 of the sink */
export async function verifySinks(
  { system, targets, openSinks }: SinkScope,
  service: string,
  point: ServicePoint,
): Promise<readonly TableReport[]> {
  const tables = system.services[service]?.sinks ?? []
  const [first] = tables
  if (first === undefined) return []
  const open = openSinks[service]
  if (open === undefined) {
    return tables.map((table) => unverifiableTable(nameOf(table), `the ${table.store} of service "${service}" was not named`))
  }
  const sink = open()
  try {
    await sink.open()
    return await withConnection(targets.pipeline, { applicationName: 'sluice verify' }, async (pipeline) => {
      const reports: TableReport[] = []
      for (const table of tables) reports.push(await verifyTable({ sink, table, system, point, pipeline }))
      return reports
    })
  } finally {
    await sink.close()
  }
}

interface Comparison {
  readonly sink: Sink
  readonly table: SinkTable
  readonly system: SystemDefinition
  readonly point: ServicePoint
  readonly pipeline: Client
}

async function verifyTable(comparison: Comparison): Promise<TableReport> {
  const startedAt = performance.now()
  const { sink, table, system, point, pipeline } = comparison
  const name = nameOf(table)
  if (table.kind === 'objects') return unverifiableTable(name, 'objects are not compared yet, only tables of events')
  const lane = (await listLanes(pipeline, system.name)).find((l) => l.laneName === MONOLITH_LANE)
  const through = point.lanes.find((l) => l.lane === MONOLITH_LANE)?.position
  if (!lane || through === undefined) return unverifiableTable(name, 'nothing was captured yet')
  const dropped = await droppedThrough(pipeline, lane.lane)
  if (dropped !== null) {
    return unverifiableTable(name, `retention removed the events up to position ${dropped}, which the table may hold`)
  }
  const absent = await absentEvents(comparison)
  const expected = oneByOne(expectedEvents(pipeline, table, lane.lane, through, absent))
  const found = oneByOne(foundEvents(sink, table, lane.lane, through))
  const counts = { sourceRows: 0, targetRows: 0, missing: 0, extra: 0, different: 0 }
  const examples: DifferenceExample[] = []
  const note = (kind: DifferenceExample['kind'], eventId: string, columns: readonly string[] = []): void => {
    counts[kind] += 1
    if (examples.length < EXAMPLES_MAX) examples.push({ kind, key: [eventId], columns })
  }
  let [wanted, held] = [await expected.next(), await found.next()]
  while (!wanted.done || !held.done) {
    const order = wanted.done ? 1 : held.done ? -1 : compare(wanted.value.position, held.value.position)
    if (order <= 0 && !wanted.done) counts.sourceRows += 1
    if (order >= 0 && !held.done) counts.targetRows += 1
    if (order < 0 && !wanted.done) note('missing', wanted.value.eventId)
    if (order > 0 && !held.done) note('extra', held.value.eventId)
    if (order === 0 && !wanted.done && !held.done && wanted.value.eventId !== held.value.eventId) {
      note('different', wanted.value.eventId, ['event_id'])
    }
    if (order <= 0) wanted = await expected.next()
    if (order >= 0) held = await found.next()
  }
  const isEqual = counts.missing + counts.extra + counts.different === 0
  return {
    table: name,
    ...counts,
    status: isEqual ? 'equal' : 'different',
    reason: null,
    comparedColumns: ['lane', 'position', 'event_id'],
    targetOnlyColumns: [],
    examples,
    durationMs: Math.round(performance.now() - startedAt),
  }
}

interface EventPlace {
  readonly position: bigint
  readonly eventId: string
}

/** `clickhouse.opportunity_events` */
function nameOf({ store, name }: SinkTable): string {
  return `${store}.${name}`
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0
}

async function* oneByOne(pages: AsyncIterable<readonly EventPlace[]>): AsyncGenerator<EventPlace, undefined> {
  for await (const page of pages) yield* page
  return undefined
}

async function* foundEvents(sink: Sink, table: SinkTable, lane: number, through: bigint): AsyncGenerator<readonly EventPlace[]> {
  for await (const page of sink.read(table)) yield page.filter((row) => row.lane === lane && row.position <= through)
}

/** What the definition says of the event store, in SQL: apart from the code that fills the table. */
async function* expectedEvents(
  pipeline: Client,
  { source, history }: SinkTable,
  lane: number,
  through: PositionNumber | bigint,
  absent: ReadonlySet<string>,
): AsyncGenerator<readonly EventPlace[]> {
  const text = `SELECT position::text, event_id::text FROM public.event_store
    WHERE lane = $1 AND position > $2 AND position <= $3 AND aggregate_type = $4 AND event_data->>'op' <> 'e'
      AND ($5::text IS NULL OR event_data->>'op' <> 'r' OR (event_data->'after'->>$5) IS NULL
        OR (event_data->'after'->>$5)::timestamptz >= created_at - make_interval(hours => 24 * $6))
    ORDER BY event_store.position LIMIT ${PAGE_EVENTS}`
  for (let after = 0n; ;) {
    const values = [lane, String(after), String(through), source.aggregateType, history?.column.name ?? null, history?.days ?? 0]
    const { rows } = await pipeline.query<{ position: string; event_id: string }>(text, values)
    yield rows
      .filter((row) => !absent.has(row.event_id))
      .map((row) => ({ position: BigInt(row.position), eventId: row.event_id }))
    const last = rows.at(-1)
    if (!last || rows.length < PAGE_EVENTS) return
    after = BigInt(last.position)
  }
}

/** Ids of events that did not take effect in the service, as far as somebody knows of them. */
async function absentEvents({ point, pipeline }: Comparison): Promise<ReadonlySet<string>> {
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

async function droppedThrough(pipeline: Client, lane: number): Promise<string | null> {
  const { rows } = await pipeline.query<{ through: string | null }>(
    'SELECT max(dropped_through)::text AS through FROM public.event_retention WHERE lane = $1',
    [lane],
  )
  return rows[0]?.through ?? null
}
