/**
 * The members of an independent service share its partitions (decision 0010). What stands in the service database:
 *
 *   claimed    a member wrote its id to the partition; the transaction that ran for the one before has ended
 *   moved      by the owner only, in the transaction that applies the events
 *   advanced   the lane's applied position follows the least of its partitions
 *
 * S1  A member whose partition was claimed by another commits nothing more: its moves ask for its own id.
 * S2  The lane's applied position is never more than that of any of its partitions, and never goes back.
 * S3  A lane stands when no transaction of any member runs in it and none can move above the barrier.
 */
import { type PositionNumber, type TopicPartition, type Uuid, partitionName, positionNumber } from '@sluice/core'
import type { ClientBase } from 'pg'
import type { LaneSubscription } from './frame-assembler.ts'
import { type ServicePosition, readOwnedPosition } from './service-position.ts'

export interface LanePartition extends TopicPartition {
  readonly laneName: string
  readonly controlTopic: string
}

/**
 * Makes a member the owner of partitions, once the transaction of the owner before has ended, and reads where they are.
 *
 * A partition that was worked through with its lane until now is as far as the lane.
 *
 * @param all Data partitions of the service, so that the least of them counts those too that nobody has worked on yet.
 */
export async function claimPartitions(
  client: ClientBase,
  owner: Uuid,
  own: readonly TopicPartition[],
  all: readonly LanePartition[],
): Promise<ServicePosition> {
  const names = new Set(own.map(partitionName))
  const owned = all.map((p) => names.has(partitionName(p)))
  const places = [all.map((p) => p.topic), all.map((p) => p.partition)]
  await client.query('BEGIN')
  await client.query(
    `INSERT INTO public.consumed_offsets (topic, partition, next_offset, events)
     SELECT topic, partition, 0, 0 FROM unnest($1::text[], $2::integer[]) AS p (topic, partition)
     UNION SELECT topic, 0, 0, 0 FROM unnest($3::text[]) AS c (topic) ORDER BY topic, partition ON CONFLICT DO NOTHING`,
    [...places, all.map((p) => p.controlTopic)],
  )
  // In the order in which transactions lock them, so that none waits for another in a circle.
  await client.query(
    `SELECT FROM public.consumed_offsets o JOIN unnest($1::text[], $2::integer[], $3::boolean[]) AS p (topic, partition, is_own)
       USING (topic, partition) WHERE p.is_own OR o.applied_position IS NULL ORDER BY topic, partition FOR UPDATE OF o`,
    [...places, owned],
  )
  await client.query(
    `UPDATE public.consumed_offsets o SET lane_name = p.lane_name, owner = CASE WHEN p.is_own THEN $6 ELSE o.owner END,
       applied_position = greatest(o.applied_position, l.applied_position, 0),
       control_offset = greatest(o.control_offset, c.next_offset)
     FROM unnest($1::text[], $2::integer[], $3::boolean[], $4::text[], $5::text[])
       AS p (topic, partition, is_own, lane_name, control_topic)
     JOIN public.consumed_offsets c ON c.topic = p.control_topic AND c.partition = 0
     LEFT JOIN public.projector_positions l ON l.lane_name = p.lane_name
     WHERE o.topic = p.topic AND o.partition = p.partition AND (p.is_own OR o.applied_position IS NULL)`,
    [...places, owned, all.map((p) => p.laneName), all.map((p) => p.controlTopic), owner],
  )
  const position = await readOwnedPosition(client, owner)
  await client.query('COMMIT')
  return position
}

/**
 * Lets the applied position of a lane follow the least of its partitions. What it reads is committed, so it may be late and
 * never early; whoever commits last calls it last.
 */
export async function advanceLane(client: ClientBase, subscription: LaneSubscription): Promise<void> {
  const { laneName, topics, controlTopic } = subscription
  await client.query(
    `WITH least AS (
       SELECT min(applied_position) AS applied, min(control_offset) AS control FROM public.consumed_offsets
       WHERE lane_name = $1 AND topic = ANY ($2::text[])),
     control AS (
       UPDATE public.consumed_offsets o SET next_offset = least.control FROM least
       WHERE o.topic = $3 AND o.partition = 0 AND o.next_offset < least.control)
     UPDATE public.projector_positions p SET applied_position = least.applied, updated_at = now() FROM least
     WHERE p.lane_name = $1 AND p.applied_position < least.applied`,
    [laneName, topics, controlTopic],
  )
}

/**
 * Says that a lane stands at its barrier, if it does: the lane's row is locked against the transactions of all members, and
 * those that begin afterwards see the barrier. Says nothing while a partition still has to come up to it.
 */
export async function answerForAllMembers(client: ClientBase, lane: number, stopAt: PositionNumber | null): Promise<void> {
  await client.query('BEGIN')
  const { rows } = await client.query<{ applied: string }>(
    'SELECT applied_position::text AS applied FROM public.projector_positions WHERE lane = $1 FOR UPDATE',
    [lane],
  )
  const applied = positionNumber(rows[0]?.applied ?? 0)
  if (stopAt === null || stopAt <= applied) {
    await client.query(
      'UPDATE public.projector_barriers SET standing_at = $2 WHERE lane = $1 AND stop_at IS NOT DISTINCT FROM $3::bigint',
      [lane, applied.toString(), stopAt?.toString() ?? null],
    )
  }
  await client.query('COMMIT')
}
