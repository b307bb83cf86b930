/**
 * Events that were on their way when a fault struck. Asked after the recovery, when the store has the commits of that moment.
 *
 * A process that was killed is asked for what was on its way to it alone: a service that is slow elsewhere would have something in flight
 * at any moment.
 */
import type { ProgressMark } from './progress-mark.ts'
import { LANE, type Stage } from './stage.ts'

/** @param victim name of the process that was killed; null: whatever some service had not applied */
export async function eventsInFlight(stage: Stage, mark: ProgressMark, victim: string | null): Promise<number> {
  if (victim === null) return Math.max(await lastOf(stage, mark, 'committed_at'), mark.stored) - mark.applied
  if (victim === 'reader') return notStored(stage, mark)
  if (victim === 'relay') return notPublished(stage, mark)
  const applied = mark.appliedBy.get(victim.replace('projector ', ''))
  if (applied === undefined) throw new Error(`${victim} is no process of the pipeline`)
  return Math.max(0, (await lastOf(stage, mark, 'stored_at')) - applied)
}

/** In commits of the monolith that the store did not have. */
async function notStored(stage: Stage, { at, stored }: ProgressMark): Promise<number> {
  return numberOf(
    stage,
    `SELECT coalesce(sum(c.last_position - c.first_position + 1), 0)::text AS number FROM event_commits c JOIN lanes l USING (lane)
     WHERE l.lane_name = $1 AND c.kind = 'commit' AND c.first_position > $2
       AND c.committed_at <= to_timestamp($3::double precision / 1000)`,
    [LANE, stored, at],
  )
}

/** Kafka may have more than the killed relay wrote down: where it stood is where the next one went on. */
async function notPublished(stage: Stage, mark: ProgressMark): Promise<number> {
  const last = await lastOf(stage, mark, 'stored_at')
  return numberOf(
    stage,
    `SELECT greatest(0, $2::bigint - (min(b.first_position) - 1))::text AS number FROM processing_batches b JOIN lanes l USING (lane)
     WHERE l.lane_name = $1 AND b.stage = 'relay' AND b.finished_at > to_timestamp($3::double precision / 1000)`,
    [LANE, last, mark.at],
  )
}

/** Position of the last event that the monolith had committed, or the store had, at the moment. */
async function lastOf(stage: Stage, { at }: ProgressMark, time: 'committed_at' | 'stored_at'): Promise<number> {
  return numberOf(
    stage,
    `SELECT max(c.last_position)::text AS number FROM event_commits c JOIN lanes l USING (lane)
     WHERE l.lane_name = $1 AND c.${time} <= to_timestamp($2::double precision / 1000)`,
    [LANE, at],
  )
}

async function numberOf(stage: Stage, query: string, values: readonly unknown[]): Promise<number> {
  const pipeline = await stage.system.client('pipeline')
  const { rows } = await pipeline.query<{ number: string | null }>(query, [...values])
  return Number(rows[0]?.number ?? 0)
}
