/** Between two connections to one slot: the server notices only after a while that the first is gone. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { LaneSession } from './lane-session.ts'

const LOOK_INTERVAL_MS = 25
const LOOKS_MAX = 1_200

/** Resolves when nobody reads the slot, or after half a minute: then the next connection says who does. */
export async function slotReleased({ control, lane }: LaneSession, signal: AbortSignal): Promise<void> {
  for (let look = 0; look < LOOKS_MAX && !signal.aborted; look += 1) {
    const { rows } = await control.query<{ active: boolean }>(
      'SELECT active FROM pg_catalog.pg_replication_slots WHERE slot_name = $1',
      [lane.slotName],
    )
    if (rows[0]?.active !== true) return
    await sleep(LOOK_INTERVAL_MS)
  }
}
