/**
 * Promise 6, one transaction out: rows, `processed_events`, parked events, consumed offsets and the applied position of a
 * batch commit together, or nothing of it. A sink has the batch's rows before the positions move: it may get them again, never too late.
 *
 * T1  An event takes effect only if the transaction itself entered its id into `processed_events`; a truncate that members share, in a
 *     partition only if the transaction entered that partition.
 * T2  The transaction holds the lane's row, or, of a member that shares the work, its partitions, from its first statement on, and
 *     every offset moves by compare-and-set: of two projectors of a service one fails with SLU-5010 and leaves nothing.
 * T3  A barrier that was committed before the transaction read it is never overrun.
 * T4  Killed at any moment: before COMMIT nothing is left, after it everything; the next start reads which.
 */
import { faultPoint } from '@sluice/core'
import type { Sink } from '@sluice/sink'
import type { ClientBase } from 'pg'
import { type Batch, splitBatch } from './batch.ts'
import type { ClaimedValues } from './claimed-values.ts'
import { type EnteredEvents, enterEvents } from './enter-events.ts'
import { EventSequence } from './event-sequence.ts'
import { revealRows } from './granted-rows.ts'
import { type LaneState, type LockContext, lockLane } from './lane-lock.ts'
import type { ParkingBreaker } from './parking-breaker.ts'
import { type ParkedDraft, ParkingLot } from './parking-lot.ts'
import { movePositions } from './position-move.ts'
import type { AppliedBatch } from './projector-progress.ts'
import type { Refusal } from './refusal.ts'
import type { ServicePosition } from './service-position.ts'
import { SinkWrites, withoutRefused } from './sink-writes.ts'
import { WaveWriter } from './wave-writer.ts'

export interface BatchContext extends LockContext {
  readonly statementRowsMax: number
  readonly breaker: ParkingBreaker
  readonly claims: ClaimedValues
  /** Null for a service without sinks. */
  readonly sink: Sink | null
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

/**
 * Applies a batch, or the part of it that a barrier lets through.
 *
 * On an error the transaction is still open: the caller rolls it back.
 *
 * @throws SluiceError SLU-5010, SLU-5023, SLU-4102, SLU-4104; SLU-5101, SLU-5102 of a sink; any error of PostgreSQL that is not the
 *   data's as it is
 */
export async function applyBatch(client: ClientBase, context: BatchContext, whole: Batch): Promise<BatchOutcome> {
  return withoutRefused(
    (refused) => attempt(client, context, whole, refused),
    () => client.query('ROLLBACK'),
  )
}

async function attempt(
  client: ClientBase,
  context: BatchContext,
  whole: Batch,
  refused: ReadonlyMap<string, Refusal>,
): Promise<BatchOutcome> {
  const startedAt = performance.now()
  const state = await lockLane(client, whole, context)
  const { batch, rest } = cutAtBarrier(whole, state)
  if (!batch) {
    await client.query('ROLLBACK')
    return { kind: 'held' }
  }
  const entered = await enterEvents(client, context.statements, batch, state.prunedThrough)
  faultPoint('projector.before-rows')
  const fresh = await revealRows(client, context.plan, entered.fresh)
  const lot = new ParkingLot(client, context.plan, state.hasParked, context.breaker)
  await lot.look(fresh)
  const writer = new WaveWriter(client, context)
  const writes = new SinkWrites(context.sink, context.claims.opener(client, context.plan), refused)
  await new EventSequence(client, writer, lot, writes.opener).apply(fresh)
  await lot.store()
  if (lot.drafts.length > 0) faultPoint('projector.event-parked')
  faultPoint('projector.after-rows')
  await writes.write(fresh.filter((item) => !lot.hasDraft(item)))
  faultPoint('projector.after-sink')

  const applied: AppliedBatch = {
    lane: batch.lane,
    laneName: batch.laneName,
    through: batch.through > state.applied ? batch.through : state.applied,
    applied: appliedOf(entered, lot),
    duplicates: entered.duplicates,
    parked: lot.drafts.length,
    skipped: entered.skipped,
    bytes: batch.bytes,
    durationMs: 0,
    committedAtMicros: batch.events.at(-1)?.event.committedAtMicros ?? null,
  }
  const position = await movePositions(client, context, { batch, state, applied })
  context.onCommit()
  faultPoint('projector.before-commit')
  await client.query('COMMIT')
  faultPoint('projector.after-commit')
  if (lot.drafts.length > 0 || !context.breaker.isQuiet) context.breaker.add(lot.tried())
  return {
    kind: 'applied',
    applied: { ...applied, durationMs: performance.now() - startedAt },
    parked: lot.drafts,
    position,
    rest,
  }
}

/** A truncate that another member has counted is not counted again. */
function appliedOf({ fresh, countedElsewhere }: EnteredEvents, { drafts }: ParkingLot): number {
  const parked = drafts.filter(({ item }) => !countedElsewhere.has(item.event.eventId))
  return fresh.length - countedElsewhere.size - parked.length
}

function cutAtBarrier(batch: Batch, state: LaneState): { batch: Batch | null; rest: Batch | null } {
  if (!state.isBarred) return { batch, rest: null }
  if (state.stopAt === null || state.stopAt <= state.applied) return { batch: null, rest: null }
  if (state.stopAt >= batch.through) return { batch, rest: null }
  const { part, rest } = splitBatch(batch, state.stopAt)
  return { batch: part, rest }
}
