/** Whether anything is on its way. */
import { type LaneDefinition, lanesOf, subscriptionsOf } from '@sluice/system'
import type { TestSystem } from './test-system.ts'

/**
 * Asks whether all is applied that is committed when it is asked first: the WAL of every source up to there is stored, and every stored
 * event is applied in every service that consumes its lane; or so of the lanes that these services consume. A service may write events of
 * its own because of those that it applies, so the end of its lane is taken after those.
 */
export function catchingUp(system: TestSystem, services?: readonly string[]): () => Promise<boolean> {
  // Taken once: an end that is taken anew each time moves on as quickly as a slow machine follows.
  const ends = new Map<string, string>()
  return async () => {
    for (const lane of lanesOf(system.definition)) {
      const consumers = (services ?? system.services).filter((service) =>
        subscriptionsOf(system.definition, service).some((subscription) => subscription.lane.name === lane.name),
      )
      if (services !== undefined && consumers.length === 0) continue
      const end = ends.get(lane.name) ?? (await endOf(system, lane))
      ends.set(lane.name, end)
      if (!(await hasPassed(system, lane.name, end))) return false
      for (const service of consumers) {
        if ((await system.appliedPosition(service, lane.name)) < (await system.storedPosition(lane.name))) return false
      }
    }
    return true
  }
}

/** The WAL goes on by itself (checkpoints, heartbeats), so a commit of ours stands at the end of all that is committed now. */
async function endOf(system: TestSystem, lane: LaneDefinition): Promise<string> {
  const source = await system.client(lane.source === 'monolith' ? 'monolith' : lane.source.service)
  const { rows } = await source.query<{ lsn: string }>(`SELECT pg_logical_emit_message(true, 'sluice.test', '')::text AS lsn`)
  return rows[0]!.lsn
}

/**
 * Everything of a lane's source up to this LSN is stored, or holds nothing for it. A lane that loads stands at its snapshot already,
 * with rows of the load still to come.
 */
export async function hasPassed(system: TestSystem, laneName: string, lsn: string): Promise<boolean> {
  const pipeline = await system.client('pipeline')
  const { rowCount } = await pipeline.query(
    `SELECT FROM lanes WHERE lane_name = $1 AND phase = 'streaming' AND greatest(stored_lsn, keepalive_lsn) >= $2::pg_lsn`,
    [laneName, lsn],
  )
  return rowCount === 1
}
