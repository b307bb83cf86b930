/**
 * Moves offsets and positions in the transaction that applied a batch, by compare-and-set, writes the log of the batch, and
 * marks the transaction as a projector's.
 */
import { PROJECTOR_PREFIX, offsetOf, partitionName } from '@sluice/core'
import type { ClientBase } from 'pg'
import type { Batch } from './batch.ts'
import { offsetsMoved } from './hand-over.ts'
import type { LaneState, LockContext } from './lane-lock.ts'
import type { AppliedBatch } from './projector-progress.ts'
import { type PartitionPosition, type ServicePosition, sharesOf } from './service-position.ts'

export interface PositionMove {
  readonly batch: Batch
  readonly state: LaneState
  readonly applied: AppliedBatch
}

/** @returns the position once the transaction has committed @throws SluiceError SLU-5010 */
export async function movePositions(client: ClientBase, context: LockContext, move: PositionMove): Promise<ServicePosition> {
  const { position } = context
  const isShared = position.owner !== null
  const moved = isShared ? shareMoves(move, position) : laneMoves(move.batch, position)
  await (isShared ? moveShares(client, context, move, moved) : moveLane(client, context, move, moved))
  return positionAfter(position, move, moved)
}

interface PartitionMove {
  readonly before: PartitionPosition
  readonly after: PartitionPosition
}

/** What the events of a batch, and its control record, move. */
function laneMoves(batch: Batch, position: ServicePosition): readonly PartitionMove[] {
  const moves = consumed(batch, position)
  if (!batch.control) return [...moves.values()]
  const before = positionOf(position, partitionName(batch.control))
  return [...moves.values(), { before, after: { ...before, next: batch.control.next } }]
}

/** Every partition of the member moves up to the batch's position, those without an event too; one that is ahead stays. */
function shareMoves({ batch, applied }: PositionMove, position: ServicePosition): readonly PartitionMove[] {
  const moves = consumed(batch, position)
  return sharesOf(position, batch.laneName).flatMap((before): PartitionMove[] => {
    const move = moves.get(partitionName(before))
    const isAhead = before.share.applied >= applied.through
    if (!move && isAhead) return []
    const share = isAhead
      ? before.share
      : { ...before.share, applied: applied.through, control: batch.control?.next ?? before.share.control }
    return [{ before, after: { ...(move?.after ?? before), share } }]
  })
}

function consumed(batch: Batch, position: ServicePosition): ReadonlyMap<string, PartitionMove> {
  const moves = new Map<string, PartitionMove>()
  for (const { place } of batch.events) {
    const name = partitionName(place)
    const before = moves.get(name)?.before ?? positionOf(position, name)
    const last = moves.get(name)?.after ?? before
    moves.set(name, { before, after: { ...last, next: offsetOf(place.offset + 1n), events: last.events + 1n } })
  }
  return moves
}

function positionOf(position: ServicePosition, name: string): PartitionPosition {
  const found = position.partitions.get(name)
  if (!found) throw new RangeError(`no position of ${name} is known`)
  return found
}

const LOGGED = `INSERT INTO public.processing_batches
         (stage, service_name, lane, first_position, last_position, events, duplicates, parked, started_at, finished_at)`

async function moveLane(
  client: ClientBase,
  context: LockContext,
  { batch, state, applied }: PositionMove,
  moved: readonly PartitionMove[],
): Promise<void> {
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
       ${LOGGED}
       SELECT 'projector', $9, $6, $8 + 1, $7, $10, $11, $12, now(), clock_timestamp() WHERE $7 > $8)
     SELECT (SELECT count(*) FROM moved)::integer AS offsets, (SELECT count(*) FROM position)::integer AS positions,
       pg_logical_emit_message(true, $13, $14)::text AS marked`,
      [
        moved.map((m) => m.after.topic),
        moved.map((m) => m.after.partition),
        moved.map((m) => m.before.next.toString()),
        moved.map((m) => m.after.next.toString()),
        moved.map((m) => m.after.events.toString()),
        batch.lane,
        applied.through.toString(),
        state.applied.toString(),
        service,
        ...counts(applied),
        PROJECTOR_PREFIX,
        markOf(service, applied),
      ],
    ),
  )
  const [found] = rows
  if (found?.offsets === moved.length && found.positions === 1) return
  throw offsetsMoved(service, batch.laneName, state.applied, undefined)
}

/** The rows are locked since they were compared, so that setting them is the other half of a compare-and-set. */
async function moveShares(
  client: ClientBase,
  context: LockContext,
  { batch, state, applied }: PositionMove,
  moved: readonly PartitionMove[],
): Promise<void> {
  const { service } = context.plan
  const shares = moved.flatMap((m) => m.after.share ?? [])
  await client.query(
    context.statements.named(
      `WITH moved AS (
       UPDATE public.consumed_offsets o SET next_offset = m.next, events = m.events, applied_position = m.applied,
         control_offset = m.control
       FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[], $5::bigint[], $14::bigint[])
         AS m (topic, partition, next, events, control, applied)
       WHERE o.topic = m.topic AND o.partition = m.partition),
     logged AS (
       ${LOGGED}
       SELECT 'projector', $15, $7, $8::bigint + 1, $6::bigint, $9, $10, $11, now(), clock_timestamp() WHERE $6::bigint > $8::bigint)
     SELECT pg_logical_emit_message(true, $12, $13)::text AS marked`,
      [
        moved.map((m) => m.after.topic),
        moved.map((m) => m.after.partition),
        moved.map((m) => m.after.next.toString()),
        moved.map((m) => m.after.events.toString()),
        shares.map((share) => share.control.toString()),
        applied.through.toString(),
        batch.lane,
        state.applied.toString(),
        ...counts(applied),
        PROJECTOR_PREFIX,
        markOf(service, applied),
        shares.map((share) => share.applied.toString()),
        service,
      ],
    ),
  )
}

function counts({ applied, duplicates, parked }: AppliedBatch): readonly number[] {
  return [applied + duplicates + parked, duplicates, parked]
}

function markOf(service: string, { lane, through }: AppliedBatch): string {
  return JSON.stringify({ service, lane, through: through.toString() })
}

function positionAfter(
  before: ServicePosition,
  { batch, state, applied }: PositionMove,
  moved: readonly PartitionMove[],
): ServicePosition {
  const { lane, laneName, epoch, clusterId } = batch
  const partitions = new Map(before.partitions)
  for (const { after } of moved) partitions.set(partitionName(after), after)
  const { prunedThrough } = state
  const lanes = new Map(before.lanes).set(laneName, {
    lane,
    laneName,
    epoch,
    clusterId,
    applied: applied.through,
    prunedThrough,
  })
  return { ...before, lanes, partitions }
}
