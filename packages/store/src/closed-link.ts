/** The last closed link of a lane's chain at a position: what a control record for that position names. */
import type { LaneId, PositionNumber } from '@sluice/core'
import type { ClientBase } from 'pg'

export interface ClosedLink {
  readonly link: bigint
  /** Hex. */
  readonly hash: string
}

/** @returns null if no link ends at or below the position, or retention took it away */
export async function closedLinkAt(client: ClientBase, lane: LaneId, position: PositionNumber): Promise<ClosedLink | null> {
  const { rows } = await client.query<{ link: string; hash: string }>(
    `SELECT link::text AS link, encode(hash, 'hex') AS hash FROM event_commits
     WHERE lane = $1 AND last_position <= $2 ORDER BY last_position DESC LIMIT 1`,
    [lane, String(position)],
  )
  return rows[0] ? { link: BigInt(rows[0].link), hash: rows[0].hash } : null
}
