/** Whether anything is on its way. */
import { lanesOf } from '@sluice/system'
import type { TestSystem } from './test-system.ts'

/** The WAL of every source is stored, and every stored event is applied in every service that consumes its lane. */
export async function isCaughtUp(system: TestSystem): Promise<boolean> {
  const pipeline = await system.client('pipeline')
  for (const lane of lanesOf(system.definition)) {
    const source = await system.client(lane.source === 'monolith' ? 'monolith' : lane.source.service)
    const { rows: wal } = await source.query<{ lsn: string }>('SELECT pg_current_wal_lsn() AS lsn')
    // The WAL goes on by itself (checkpoints, heartbeats), so a source is caught up when a commit of ours would be.
    await source.query(`SELECT pg_logical_emit_message(true, 'sluice.test', '')`)
    if (!(await hasPassed(system, lane.name, wal[0]!.lsn))) return false
  }
  const { rows: lanes } = await pipeline.query<{ lane: string; name: string }>('SELECT lane, lane_name AS name FROM lanes')
  for (const service of system.services) {
    const { rows } = await (
      await system.client(service)
    ).query<{ name: string }>('SELECT lane_name AS name FROM projector_positions')
    for (const { name } of lanes.filter((lane) => rows.some((row) => row.name === lane.name))) {
      if ((await system.appliedPosition(service, name)) < (await system.storedPosition(name))) return false
    }
    if (rows.length === 0) return false
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
