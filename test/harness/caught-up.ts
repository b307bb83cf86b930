/** Whether anything is on its way. */
import { lanesOf, subscriptionsOf } from '@sluice/system'
import type { TestSystem } from './test-system.ts'

/**
 * The WAL of every source is stored, and every stored event is applied in every service that consumes its lane; or so of the lanes that
 * these services consume. A service may write events of its own because of those that it applies, so its lane is looked at after those.
 */
export async function isCaughtUp(system: TestSystem, services?: readonly string[]): Promise<boolean> {
  const { definition } = system
  for (const lane of lanesOf(definition)) {
    const consumers = (services ?? system.services).filter((service) =>
      subscriptionsOf(definition, service).some((subscription) => subscription.lane.name === lane.name),
    )
    if (services !== undefined && consumers.length === 0) continue
    const source = await system.client(lane.source === 'monolith' ? 'monolith' : lane.source.service)
    const { rows: wal } = await source.query<{ lsn: string }>('SELECT pg_current_wal_lsn() AS lsn')
    // The WAL goes on by itself (checkpoints, heartbeats), so a source is caught up when a commit of ours would be.
    await source.query(`SELECT pg_logical_emit_message(true, 'sluice.test', '')`)
    if (!(await hasPassed(system, lane.name, wal[0]!.lsn))) return false
    for (const service of consumers) {
      if ((await system.appliedPosition(service, lane.name)) < (await system.storedPosition(lane.name))) return false
    }
  }
  return true
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
