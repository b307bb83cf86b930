/** How far a service is and what it refused, for `sluice status` and `sluice trace`. */
import { type PositionNumber, positionNumber } from '@sluice/core'
import { type PostgresTarget, withConnection } from '@sluice/postgres'
import { type ServicePosition, readServicePosition } from './service-position.ts'

const STATUS_SESSION = { applicationName: 'sluice status', statementTimeoutMs: 10_000 }

export interface ProjectorState extends ServicePosition {
  /** By lane name: when the position last moved. */
  readonly updatedAt: ReadonlyMap<string, Date>
  readonly parkedEvents: number
  /** When the oldest parked event was parked. */
  readonly oldestParkedAt: Date | null
  readonly barriers: readonly {
    readonly lane: number
    readonly requestedBy: string
    readonly stopAt: PositionNumber | null
    readonly standingAt: PositionNumber | null
    readonly expiresAt: Date
  }[]
}

/** @throws SluiceError SLU-2001 to SLU-2004, SLU-1999 if the tables are missing */
export async function readProjectorState(target: PostgresTarget): Promise<ProjectorState> {
  return withConnection(target, STATUS_SESSION, async (client) => {
    const position = await readServicePosition(client, { waitForRunning: false })
    const moved = await client.query<{ lane_name: string; updated_at: Date }>(
      'SELECT lane_name, updated_at FROM public.projector_positions',
    )
    const parked = await client.query<{ events: number; oldest: Date | null }>(
      'SELECT count(*)::integer AS events, min(parked_at) AS oldest FROM public.parked_events',
    )
    const barriers = await client.query<{
      lane: number
      requested_by: string
      stop_at: string | null
      standing_at: string | null
      expires_at: Date
    }>(
      `SELECT lane, requested_by, stop_at::text, standing_at::text, expires_at FROM public.projector_barriers
       WHERE expires_at > clock_timestamp() ORDER BY lane`,
    )
    return {
      ...position,
      updatedAt: new Map(moved.rows.map((r) => [r.lane_name, r.updated_at])),
      parkedEvents: parked.rows[0]?.events ?? 0,
      oldestParkedAt: parked.rows[0]?.oldest ?? null,
      barriers: barriers.rows.map((r) => ({
        lane: r.lane,
        requestedBy: r.requested_by,
        stopAt: r.stop_at === null ? null : positionNumber(r.stop_at),
        standingAt: r.standing_at === null ? null : positionNumber(r.standing_at),
        expiresAt: r.expires_at,
      })),
    }
  })
}
