/**
 * Retry and skip: parked events leave the parking lot at a person's word (promise 7, decision 0013). The asking process does the
 * work itself, with the definition and the code of the projections, beside a projector that runs or not.
 *
 * K1  A row of `parked_event_commands` is committed before anything changes; its result is written at the end.
 * K2  Every transaction takes the lanes' rows first, as the projector's do: the two take turns, so the order of a key holds.
 * K3  An event leaves the lot and takes effect in one transaction; what is refused again is back in the lot in the same one.
 *     Offsets and positions stay: the event counts as met since it was parked.
 * K4  Killed anywhere: what was committed is recorded event by event, everything else is parked as before.
 * K5  What the projector parks behind an event while that leaves the lot is worked on too; where a command was killed before that, the
 *     next one whose selection has it, but for the error, takes it along.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { EventDecoder } from '@sluice/avro'
import { PROJECTOR_PREFIX, backoffMs, faultPoint, offsetOf, toSluiceError } from '@sluice/core'
import { type PostgresTarget, connect, faultOf, isConnectionFault, toPostgresError } from '@sluice/postgres'
import type { KeyAccess } from '@sluice/privacy'
import type { Sink } from '@sluice/sink'
import type { SystemDefinition } from '@sluice/system'
import type { Client } from 'pg'
import type { BatchEvent } from './batch.ts'
import { ClaimedValues } from './claimed-values.ts'
import { EventSequence } from './event-sequence.ts'
import { grantedColumnsOf, revealRows } from './granted-rows.ts'
import { endEdits, withEdits } from './parked-edit.ts'
import { type ParkedSelection, isWaiting, selectionSql } from './parked-selection.ts'
import { type EarlierParking, ParkingLot } from './parking-lot.ts'
import { PreparedStatements } from './prepared-statements.ts'
import { type ProjectionPlan, mappingsOf, planProjections } from './projection-plan.ts'
import type { Refusal } from './refusal.ts'
import { sinkOf } from './sink-of.ts'
import { SinkWrites, withoutRefused } from './sink-writes.ts'
import { readTargetCatalog } from './target-catalog.ts'
import { textArray } from './text-array.ts'
import { WaveWriter } from './wave-writer.ts'

export type ParkedCommand = 'retry' | 'skip'

export interface ParkedRequest {
  readonly command: ParkedCommand
  /** A retry begins at the first event of each selected key; a skip gives up exactly what is selected. */
  readonly selection: ParkedSelection
  readonly requestedBy: string
  readonly reason: string | null
}

export interface ParkedWorkOptions {
  readonly system: SystemDefinition
  readonly service: string
  readonly target: PostgresTarget
  readonly decoder: EventDecoder
  /** Where the keys of encrypted columns are read; needed where the service is granted some. */
  readonly keys?: KeyAccess | null
  /** The pipeline database, where claimed values are read; needed where a parked event has one. */
  readonly claims?: PostgresTarget | null
  /** Makes the service's sink, which is closed at the end. Needed where the service has tables in one. */
  readonly openSink?: (() => Sink) | null
  /** Ends the work between two transactions. */
  readonly signal: AbortSignal
  readonly limits?: Partial<ParkedWorkLimits>
  /** After each transaction: events done. */
  readonly onProgress?: (done: number) => void
}

export interface ParkedWorkLimits {
  /** Events of one command; what is left is said. @default 100,000 */
  readonly eventsMax: number
  /** Events of one transaction, which holds the projector up. @default 1,000 */
  readonly transactionEventsMax: number
  /** The same in bytes of messages. @default 3 MiB */
  readonly transactionBytesMax: number
}

const DEFAULT_LIMITS: ParkedWorkLimits = {
  eventsMax: 100_000,
  transactionEventsMax: 1_000,
  transactionBytesMax: 3 * 1024 * 1024,
}

const STATEMENT_ROWS_MAX = 1_000
const ATTEMPTS_MAX = 5
const REFUSALS_SHOWN = 20

/** What a command would touch. */
export interface ParkedPlan {
  readonly selected: number
  /** Those that are tried with them, since they wait behind them or before them. */
  readonly others: number
  /** More than one command takes. */
  readonly left: number
}

export interface ParkedOutcome extends ParkedPlan {
  readonly commandId: string
  readonly applied: number
  readonly skipped: number
  /** Tried and parked again. */
  readonly refused: number
  /** Queued again behind one that stays parked. */
  readonly waiting: number
  /** The first of those that were refused again. */
  readonly refusals: readonly { readonly eventId: string; readonly message: string }[]
}

/** Says what a command would touch, and changes nothing. @throws SluiceError SLU-2001 to SLU-2004 */
export async function planParkedWork(
  target: PostgresTarget,
  { command, selection }: Pick<ParkedRequest, 'command' | 'selection'>,
  limits: Partial<ParkedWorkLimits> = {},
): Promise<ParkedPlan> {
  const client = await connect(target, { applicationName: 'sluice parked' })
  try {
    return (await readWork(client, command, selection, { ...DEFAULT_LIMITS, ...limits })).plan
  } catch (error) {
    throw toPostgresError(error, target)
  } finally {
    await client.end()
  }
}

/**
 * Retries or skips parked events, in position order, with what waits behind them.
 *
 * @throws SluiceError SLU-4204, SLU-4201, SLU-20xx; nothing is half done then
 */
export async function workOnParked(options: ParkedWorkOptions, request: ParkedRequest): Promise<ParkedOutcome> {
  const { system, service, target, signal } = options
  const limits = { ...DEFAULT_LIMITS, ...options.limits }
  const granted = grantedColumnsOf(system, service, options.keys ?? null)
  const claims = new ClaimedValues(options.claims ?? null, service)
  const sink = sinkOf(system, service, options.openSink ?? null)
  const client = await connect(target, { applicationName: `sluice parked ${request.command}` })
  try {
    await sink?.open()
    const catalog = await readTargetCatalog(client, service, mappingsOf(system, service))
    const plan = planProjections(system, service, catalog, granted)
    const work = await readWork(client, request.command, request.selection, limits)
    const commandId = await beginJournal(client, request, work.plan)
    const done = { ...work.plan, commandId, applied: 0, skipped: 0, refused: 0, waiting: 0, refusals: [] as Refused[] }
    const tools = { client, plan, commandId, statements: new PreparedStatements(), decoder: options.decoder, claims, sink }
    try {
      for (let { events } = work; events.length > 0;) {
        for (const chunk of chunksOf(events, limits)) {
          if (signal.aborted) break
          const result = await applyChunk(tools, chunk)
          done.applied += result.applied
          done.skipped += result.skipped
          done.refused += result.refused.length
          done.waiting += result.waiting
          done.refusals = [...done.refusals, ...result.refused].slice(0, REFUSALS_SHOWN)
          options.onProgress?.(done.applied + done.skipped + done.refused + done.waiting)
        }
        events = signal.aborted || work.plan.left > 0 ? [] : await releasedBy(client, events, limits)
        done.others += events.length
      }
    } catch (error) {
      await endJournal(client, commandId, { ...done, error: toSluiceError(toPostgresError(error, target)).number })
      throw error
    }
    await endJournal(client, commandId, done)
    const finished = done.applied + done.skipped + done.refused + done.waiting
    return { ...done, left: signal.aborted ? done.selected + done.others - finished : work.plan.left }
  } catch (error) {
    throw toPostgresError(error, target)
  } finally {
    await client.end()
    await claims.close()
    await sink?.close()
    await granted?.close()
  }
}

interface Refused {
  readonly eventId: string
  readonly message: string
}

interface WorkEvent {
  readonly eventId: string
  readonly bytes: number
  /** To be skipped. */
  readonly isGivenUp: boolean
}

interface Work {
  readonly plan: ParkedPlan
  /** In position order. */
  readonly events: readonly WorkEvent[]
}

/** The selected events and those that go with them: a retry goes up to the first of a key, both go down to all that wait behind. */
async function readWork(
  client: Client,
  command: ParkedCommand,
  selection: ParkedSelection,
  limits: ParkedWorkLimits,
): Promise<Work> {
  const { condition, released, values } = selectionSql(selection)
  const upwards =
    command === 'retry'
      ? 'UNION SELECT b.event_id, b.waits_for FROM first_ones f JOIN public.parked_events b ON b.event_id = f.waits_for'
      : 'UNION SELECT NULL, NULL FROM first_ones WHERE false'
  const { rows } = await client.query<{ event_id: string; bytes: number; is_selected: boolean; selected: number; total: number }>(
    `WITH RECURSIVE selected AS (SELECT p.event_id, p.waits_for FROM public.parked_events p WHERE ${condition}),
       first_ones AS (SELECT event_id, waits_for FROM selected ${upwards}),
       work AS (
         SELECT event_id FROM (SELECT event_id FROM first_ones UNION SELECT p.event_id FROM public.parked_events p WHERE ${released}) AS begun
         UNION SELECT p.event_id FROM work w JOIN public.parked_events p ON p.waits_for = w.event_id)
     SELECT p.event_id::text, octet_length(p.message) AS bytes, s.event_id IS NOT NULL AS is_selected,
       (count(s.event_id) OVER ())::integer AS selected, (count(*) OVER ())::integer AS total
     FROM work w JOIN public.parked_events p USING (event_id) LEFT JOIN selected s USING (event_id)
     ORDER BY p.lane, p.position LIMIT $${values.length + 1}`,
    [...values, limits.eventsMax],
  )
  const { selected, total } = rows[0] ?? { selected: 0, total: 0 }
  return {
    plan: { selected, others: total - selected, left: total - rows.length },
    events: rows.map((row) => ({
      eventId: row.event_id,
      bytes: row.bytes,
      isGivenUp: command === 'skip' && row.is_selected,
    })),
  }
}

/** Events that were parked behind some while these left the lot, and what waits behind them. */
async function releasedBy(client: Client, left: readonly WorkEvent[], limits: ParkedWorkLimits): Promise<readonly WorkEvent[]> {
  const { rows } = await client.query<{ event_id: string; bytes: number }>(
    `WITH RECURSIVE work AS (
       SELECT p.event_id FROM public.parked_events p WHERE p.waits_for = ANY ($1::uuid[]) AND NOT ${isWaiting('p')}
       UNION SELECT p.event_id FROM work w JOIN public.parked_events p ON p.waits_for = w.event_id)
     SELECT p.event_id::text, octet_length(p.message) AS bytes FROM work w JOIN public.parked_events p USING (event_id)
     ORDER BY p.lane, p.position LIMIT $2`,
    [textArray(left.map((e) => e.eventId)), limits.eventsMax],
  )
  return rows.map((row) => ({ eventId: row.event_id, bytes: row.bytes, isGivenUp: false }))
}

function* chunksOf(events: readonly WorkEvent[], limits: ParkedWorkLimits): Generator<readonly WorkEvent[]> {
  let chunk: WorkEvent[] = []
  let bytes = 0
  for (const event of events) {
    const isFull = chunk.length >= limits.transactionEventsMax || bytes + event.bytes > limits.transactionBytesMax
    if (isFull && chunk.length > 0) {
      yield chunk
      chunk = []
      bytes = 0
    }
    chunk.push(event)
    bytes += event.bytes
  }
  if (chunk.length > 0) yield chunk
}

interface Tools {
  readonly client: Client
  readonly plan: ProjectionPlan
  readonly statements: PreparedStatements
  readonly decoder: EventDecoder
  readonly claims: ClaimedValues
  readonly sink: Sink | null
  readonly commandId: string
}

interface ChunkResult {
  readonly applied: number
  readonly skipped: number
  readonly waiting: number
  readonly refused: readonly Refused[]
}

/** One transaction; again where the fault passes by itself. */
async function applyChunk(tools: Tools, chunk: readonly WorkEvent[]): Promise<ChunkResult> {
  // Decoding may ask the registry, so it is done before the projector has to wait.
  const items = await readEvents(tools, chunk)
  for (let attempt = 1; ; attempt++) {
    try {
      return await withoutRefused(
        (refused) => chunkTransaction(tools, chunk, items, refused),
        () => tools.client.query('ROLLBACK'),
      )
    } catch (error) {
      // Where it is the pipeline database that went away, the service's transaction is still open, and the journal wants to be ended.
      if (isConnectionFault(error)) {
        await tools.client.query('ROLLBACK').catch(() => undefined)
        throw error
      }
      await tools.client.query('ROLLBACK')
      if (tools.statements.giveUpAfter(error)) continue
      if (faultOf(error) !== 'transient' || attempt === ATTEMPTS_MAX) throw error
      await delay(backoffMs(attempt, { firstMs: 50, longestMs: 1_000 }))
    }
  }
}

interface StoredRow {
  readonly event_id: string
  readonly topic: string
  readonly partition: number
  readonly offset: string
  readonly message: Buffer
}

async function readEvents({ client, plan, decoder }: Tools, chunk: readonly WorkEvent[]): Promise<readonly BatchEvent[]> {
  const { rows } = await client.query<StoredRow>(
    `SELECT event_id::text, topic, partition, kafka_offset::text AS "offset", message
     FROM public.parked_events WHERE event_id = ANY($1::uuid[]) ORDER BY lane, position`,
    [textArray(chunk.map((e) => e.eventId))],
  )
  const items: BatchEvent[] = []
  for (const { topic, partition, offset, message } of rows) {
    const event = await decoder.decode(message)
    items.push({ event, route: plan.routeOf(event), place: { topic, partition, offset: offsetOf(offset) }, message })
  }
  return items
}

async function chunkTransaction(
  { client, plan, statements, claims, sink, commandId }: Tools,
  chunk: readonly WorkEvent[],
  items: readonly BatchEvent[],
  refusedBySink: ReadonlyMap<string, Refusal>,
): Promise<ChunkResult> {
  await client.query('BEGIN; SET CONSTRAINTS ALL DEFERRED; SELECT FROM public.projector_positions ORDER BY lane FOR UPDATE')
  const earlier = await takeOut(client, chunk)
  const givenUp = new Set(chunk.flatMap((e) => (e.isGivenUp ? [e.eventId] : [])))
  const taken = items.filter((item) => earlier.has(item.event.eventId))
  const tried = await withEdits(
    client,
    taken.filter((item) => !givenUp.has(item.event.eventId)),
  )
  const lot = new ParkingLot(client, plan, true)
  await lot.look(tried)
  const writer = new WaveWriter(client, { plan, statements, statementRowsMax: STATEMENT_ROWS_MAX })
  const writes = new SinkWrites(sink, claims.opener(client, plan), refusedBySink)
  const revealed = await revealRows(client, plan, tried)
  await new EventSequence(client, writer, lot, writes.opener).apply(revealed)
  await lot.store(earlier)
  await writes.write(revealed.filter((item) => !lot.hasDraft(item)))
  const skipped = taken.filter((item) => givenUp.has(item.event.eventId))
  const applied = tried.filter((item) => !lot.hasDraft(item))
  await record(client, commandId, skipped, 'skipped', earlier)
  await record(client, commandId, applied, 'applied', earlier)
  await endEdits(client, skipped, false)
  await endEdits(client, applied, true)
  await client.query('SELECT pg_logical_emit_message(true, $1, $2)', [
    PROJECTOR_PREFIX,
    JSON.stringify({ service: plan.service, command: commandId }),
  ])
  faultPoint('parked.before-commit')
  await client.query('COMMIT')
  faultPoint('parked.after-commit')
  const refused = lot.drafts.filter((draft) => draft.refusal.projection !== '')
  return {
    applied: applied.length,
    skipped: skipped.length,
    waiting: lot.drafts.length - refused.length,
    refused: refused.map(({ item, refusal }) => ({ eventId: item.event.eventId, message: refusal.message })),
  }
}

/** Takes events out of the lot; one that has left it meanwhile is not in the answer. */
async function takeOut(client: Client, chunk: readonly WorkEvent[]): Promise<ReadonlyMap<string, EarlierParking>> {
  const { rows } = await client.query<{ event_id: string; attempts: number; parked_at: Date }>(
    'DELETE FROM public.parked_events WHERE event_id = ANY($1::uuid[]) RETURNING event_id::text, attempts, parked_at',
    [textArray(chunk.map((e) => e.eventId))],
  )
  return new Map(rows.map((row) => [row.event_id, { attempts: row.attempts, parkedAt: row.parked_at }]))
}

async function record(
  client: Client,
  commandId: string,
  items: readonly BatchEvent[],
  result: 'applied' | 'skipped',
  earlier: ReadonlyMap<string, EarlierParking>,
): Promise<void> {
  if (items.length === 0) return
  const events = items.map((item) => item.event)
  await client.query(
    `INSERT INTO public.parked_event_results
       (event_id, lane, position, topic, aggregate_type, aggregate_id, event_type, parked_at, result, command_id)
     SELECT r.*, $9, $10::bigint
     FROM unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::text[], $5::text[], $6::uuid[], $7::text[], $8::timestamptz[]) AS r`,
    [
      textArray(events.map((e) => e.eventId)),
      textArray(events.map((e) => String(e.lane))),
      textArray(events.map((e) => e.position.toString())),
      textArray(items.map((item) => item.place.topic)),
      textArray(events.map((e) => e.aggregateType)),
      textArray(events.map((e) => e.aggregateId)),
      textArray(events.map((e) => e.eventType)),
      textArray(events.map((e) => earlier.get(e.eventId)?.parkedAt.toISOString() ?? null)),
      result,
      commandId,
    ],
  )
}

async function beginJournal(client: Client, request: ParkedRequest, plan: ParkedPlan): Promise<string> {
  const { rows } = await client.query<{ id: string }>(
    `INSERT INTO public.parked_event_commands (command, requested_by, reason, selection, events)
     VALUES ($1, $2, $3, $4, $5) RETURNING id::text`,
    [request.command, request.requestedBy, request.reason, JSON.stringify(request.selection), plan.selected],
  )
  return rows[0]!.id
}

/** A connection that broke can not say how it ended: the row stays without an end, which is what happened. */
async function endJournal(
  client: Client,
  commandId: string,
  result: Pick<ParkedOutcome, 'applied' | 'skipped' | 'refused' | 'waiting'> & { readonly error?: string },
): Promise<void> {
  const { applied, skipped, refused, waiting, error } = result
  try {
    await client.query('UPDATE public.parked_event_commands SET finished_at = now(), result = $2 WHERE id = $1', [
      commandId,
      JSON.stringify({ applied, skipped, refused, waiting, ...(error === undefined ? {} : { error }) }),
    ])
  } catch (failure) {
    if (error === undefined || !isConnectionFault(failure)) throw failure
  }
}
