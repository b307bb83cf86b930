/**
 * Promise 6, one transaction out: rows, `processed_events`, parked events, consumed offsets and the applied position of a
 * batch commit together, or nothing of it.
 *
 * T1  An event takes effect only if the transaction itself entered its id into `processed_events`.
 * T2  The transaction holds the lane's row from its first statement on, and every offset moves by compare-and-set: of two
 *     projectors of a service one fails with SLU-5010 and leaves nothing.
 * T3  A barrier that was committed before the transaction read it is never overrun.
 * T4  Killed at any moment: before COMMIT nothing is left, after it everything; the next start reads which.
 */
import { PROJECTOR_PREFIX, type PositionNumber, SluiceError, partitionName, positionNumber } from '@sluice/core'
import type { ClientBase } from 'pg'
import { type Batch, type BatchEvent, splitBatch } from './batch.ts'
import { EventSequence } from './event-sequence.ts'
import { revealRows } from './granted-rows.ts'
import { anotherCluster, anotherEpoch } from './hand-over.ts'
import type { ParkingBreaker } from './parking-breaker.ts'
import { type ParkedDraft, ParkingLot } from './parking-lot.ts'
import type { PreparedStatements } from './prepared-statements.ts'
import type { ProjectionPlan } from './projection-plan.ts'
import type { AppliedBatch } from './projector-progress.ts'
import type { PartitionPosition, ServicePosition } from './service-position.ts'
import { textArray } from './text-array.ts'
import { WaveWriter } from './wave-writer.ts'

export interface BatchContext {
  readonly plan: ProjectionPlan
  readonly statements: PreparedStatements
  readonly statementRowsMax: number
  readonly breaker: ParkingBreaker
  /** What the service database said at the last commit. */
  readonly position: ServicePosition
  /** Called when COMMIT is sent: from then on a broken connection leaves the outcome open. */
  readonly onCommit: () => void
}

export type BatchOutcome =
  | {
      readonly kind: 'applied'
      readonly applied: AppliedBatch
      readonly parked: readonly ParkedDraft[]
      readonly position: ServicePosition
      /** What a barrier cut off; to be applied next. */
      readonly rest: Batch | null
    }
  /** A barrier holds the lane; nothing was applied. */
  | { readonly kind: 'held' }

interface LaneState {
  readonly applied: PositionNumber
  readonly prunedThrough: PositionNumber
  readonly isBarred: boolean
  /** Null with a barrier: nothing more at all. */
  readonly stopAt: PositionNumber | null
  readonly hasParked: boolean
}

/**
 * Applies a batch, or the part of it that a barrier lets through.
 *
 * On an error the transaction is still open: the caller rolls it back.
 *
 * @throws SluiceError SLU-5010, SLU-5023, SLU-4102, SLU-4104; any error of PostgreSQL that is not the data's as it is
 */
export async function applyBatch(client: ClientBase, context: BatchContext, whole: Batch): Promise<BatchOutcome> {
  const startedAt = performance.now()
  await begin(client, whole, context.position)
  const state = await lockLane(client, whole, context)
  const { batch, rest } = cutAtBarrier(whole, state)
  if (!batch) {
    await client.query('ROLLBACK')
    return { kind: 'held' }
  }
  const used = batch.events.filter((e) => e.route !== null)
  const entered = await enterProcessed(client, context.statements, batch, used, state.prunedThrough)
  const fresh = await revealRows(client, context.plan, entered)
  const lot = new ParkingLot(client, context.plan, state.hasParked, context.breaker)
  await lot.look(fresh)
  const writer = new WaveWriter(client, context)
  await new EventSequence(client, writer, lot).apply(fresh)
  await lot.store()

  const applied: AppliedBatch = {
    lane: batch.lane,
    laneName: batch.laneName,
    through: batch.through > state.applied ? batch.through : state.applied,
    applied: fresh.length - lot.drafts.length,
    duplicates: used.length - fresh.length,
    parked: lot.drafts.length,
    skipped: batch.events.length - used.length,
    bytes: batch.bytes,
    durationMs: 0,
    committedAtMicros: batch.events.at(-1)?.event.committedAtMicros ?? null,
  }
  const moved = partitionMoves(batch, context.position)
  await movePositions(client, context, { batch, state, applied, moved })
  context.onCommit()
  await client.query('COMMIT')
  if (lot.drafts.length > 0 || !context.breaker.isQuiet) context.breaker.add(lot.tried())
  return {
    kind: 'applied',
    applied: { ...applied, durationMs: performance.now() - startedAt },
    parked: lot.drafts,
    position: positionAfter(context.position, batch, state, applied.through, moved),
    rest,
  }
}

/** Opens the transaction and takes the lane's row, which is made with the lane's first batch. */
async function begin(client: ClientBase, batch: Batch, position: ServicePosition): Promise<void> {
  const { lane } = batch
  if (position.lanes.has(batch.laneName)) {
    await client.query(
      `BEGIN; SET CONSTRAINTS ALL DEFERRED; SELECT FROM public.projector_positions WHERE lane = ${lane} FOR UPDATE`,
    )
    return
  }
  await client.query('BEGIN; SET CONSTRAINTS ALL DEFERRED')
  await client.query(
    `INSERT INTO public.projector_positions (lane, lane_name, epoch, cluster_id, applied_position)
     VALUES ($1, $2, $3, $4, 0) ON CONFLICT DO NOTHING`,
    [lane, batch.laneName, batch.epoch, batch.clusterId],
  )
}

async function lockLane(client: ClientBase, batch: Batch, context: BatchContext): Promise<LaneState> {
  const { rows } = await client.query<{
    applied: string
    pruned: string
    epoch: string
    cluster_id: string
    is_barred: boolean
    stop_at: string | null
    has_parked: boolean
  }>(
    context.statements.named(
      `SELECT p.applied_position::text AS applied, p.pruned_through::text AS pruned, p.epoch::text AS epoch, p.cluster_id,
       b.lane IS NOT NULL AS is_barred, b.stop_at::text AS stop_at, EXISTS (SELECT FROM public.parked_events) AS has_parked
     FROM public.projector_positions p
     LEFT JOIN LATERAL (
       SELECT lane, stop_at FROM public.projector_barriers WHERE lane = p.lane AND expires_at > clock_timestamp() FOR SHARE
     ) b ON true
     WHERE p.lane = $1`,
      [batch.lane],
    ),
  )
  const [row] = rows
  const known = context.position.lanes.get(batch.laneName)?.applied ?? positionNumber(0)
  if (!row || row.applied !== known.toString()) throw offsetsMoved(context.plan.service, batch, known, row?.applied)
  if (row.epoch !== batch.epoch) throw anotherEpoch(context.plan.service, batch.laneName, row.epoch, batch.epoch)
  if (row.cluster_id !== batch.clusterId) throw anotherCluster(context.plan.service, row.cluster_id, batch.clusterId)
  return {
    applied: positionNumber(row.applied),
    prunedThrough: positionNumber(row.pruned),
    isBarred: row.is_barred,
    stopAt: row.stop_at === null ? null : positionNumber(row.stop_at),
    hasParked: row.has_parked,
  }
}

function cutAtBarrier(batch: Batch, state: LaneState): { batch: Batch | null; rest: Batch | null } {
  if (!state.isBarred) return { batch, rest: null }
  if (state.stopAt === null || state.stopAt <= state.applied) return { batch: null, rest: null }
  if (state.stopAt >= batch.through) return { batch, rest: null }
  const { part, rest } = splitBatch(batch, state.stopAt)
  return { batch: part, rest }
}

/** Enters the events' ids and returns the events that were not there before. */
async function enterProcessed(
  client: ClientBase,
  statements: PreparedStatements,
  batch: Batch,
  events: readonly BatchEvent[],
  prunedThrough: PositionNumber,
): Promise<readonly BatchEvent[]> {
  // The same position twice is the same event twice. Below the mark nothing is remembered: all of it was met.
  const candidates = events.filter(
    (e, i) => e.event.position > prunedThrough && e.event.position !== events[i - 1]?.event.position,
  )
  if (candidates.length === 0) return candidates
  const { rows } = await client.query<{ event_id: string }>(
    statements.named(
      `WITH met AS (SELECT * FROM unnest($2::uuid[], $3::bigint[]) AS m (event_id, position)), entered AS (
       INSERT INTO public.processed_events (event_id, lane, position) SELECT event_id, $1, position FROM met
       ON CONFLICT DO NOTHING RETURNING event_id)
     SELECT event_id::text FROM met EXCEPT ALL SELECT event_id::text FROM entered`,
      [
        batch.lane,
        textArray(candidates.map((e) => e.event.eventId)),
        textArray(candidates.map((e) => e.event.position.toString())),
      ],
    ),
  )
  if (rows.length === 0) return candidates
  const duplicates = new Set(rows.map((r) => r.event_id))
  return candidates.filter((e) => !duplicates.has(e.event.eventId))
}

interface PartitionMove extends PartitionPosition {
  readonly before: PartitionPosition
}

function partitionMoves(batch: Batch, position: ServicePosition): readonly PartitionMove[] {
  const moves = new Map<string, PartitionMove>()
  const move = (name: string, next: bigint, events: bigint): void => {
    const before = moves.get(name)?.before ?? position.partitions.get(name)
    if (!before) throw new RangeError(`no position of ${name} is known`)
    const met = (moves.get(name)?.events ?? before.events) + events
    moves.set(name, {
      topic: before.topic,
      partition: before.partition,
      next: next as PartitionPosition['next'],
      events: met,
      before,
    })
  }
  for (const { place } of batch.events) move(partitionName(place), place.offset + 1n, 1n)
  if (batch.control) move(partitionName(batch.control), batch.control.next, 0n)
  return [...moves.values()]
}

interface Move {
  readonly batch: Batch
  readonly state: LaneState
  readonly applied: AppliedBatch
  readonly moved: readonly PartitionMove[]
}

/** Moves offsets and position by compare-and-set, writes the log of the batch, and marks the transaction as a projector's. */
async function movePositions(client: ClientBase, context: BatchContext, move: Move): Promise<void> {
  const { batch, state, applied, moved } = move
  const { service } = context.plan
  const { rows } = await client.query<{ offsets: number; positions: number }>(
    context.statements.named(
      `WITH moved AS (
       UPDATE public.consumed_offsets o SET next_offset = m.next, events = m.events
       FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[]) AS m (topic, partition, expected, next, events)
       WHERE o.topic = m.topic AND o.partition = m.partition AND o.next_offset = m.expected RETURNING 1),
     position AS (
       UPDATE public.projector_positions SET applied_position = $7, updated_at = now()
       WHERE lane = $6 AND applied_position = $8 RETURNING 1),
     logged AS (
       INSERT INTO public.processing_batches
         (stage, service_name, lane, first_position, last_position, events, duplicates, parked, started_at, finished_at)
       SELECT 'projector', $9, $6, $8 + 1, $7, $10, $11, $12, now(), clock_timestamp() WHERE $7 > $8)
     SELECT (SELECT count(*) FROM moved)::integer AS offsets, (SELECT count(*) FROM position)::integer AS positions,
       pg_logical_emit_message(true, $13, $14)::text AS marked`,
      [
        moved.map((m) => m.topic),
        moved.map((m) => m.partition),
        moved.map((m) => m.before.next.toString()),
        moved.map((m) => m.next.toString()),
        moved.map((m) => m.events.toString()),
        batch.lane,
        applied.through.toString(),
        state.applied.toString(),
        service,
        applied.applied + applied.duplicates + applied.parked,
        applied.duplicates,
        applied.parked,
        PROJECTOR_PREFIX,
        JSON.stringify({ service, lane: batch.lane, through: applied.through.toString() }),
      ],
    ),
  )
  const [counts] = rows
  if (counts?.offsets !== moved.length || counts.positions !== 1) throw offsetsMoved(service, batch, state.applied, undefined)
}

function positionAfter(
  before: ServicePosition,
  batch: Batch,
  state: LaneState,
  applied: PositionNumber,
  moved: readonly PartitionMove[],
): ServicePosition {
  const { lane, laneName, epoch, clusterId } = batch
  const partitions = new Map(before.partitions)
  for (const { topic, partition, next, events } of moved)
    partitions.set(partitionName({ topic, partition }), { topic, partition, next, events })
  const lanes = new Map(before.lanes).set(laneName, {
    lane,
    laneName,
    epoch,
    clusterId,
    applied,
    prunedThrough: state.prunedThrough,
  })
  return { lanes, partitions }
}

function offsetsMoved(service: string, batch: Batch, known: PositionNumber, found: string | undefined): SluiceError {
  return new SluiceError('OFFSETS_MOVED', {
    what: `another projector of service "${service}" is at work`,
    why: `lane ${batch.laneName} stood at position ${known} here; ${found === undefined ? 'its offsets were moved' : `the database says ${found}`}`,
    ways: [`sluice status    shows who is active; one projector a service works, the others stand by`],
  })
}
