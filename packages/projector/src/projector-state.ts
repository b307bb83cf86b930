/** How far a service is and what it refused, for `sluice status`, `sluice trace` and lists of parked events. */
import { type PositionNumber, positionNumber } from '@sluice/core'
import { type PostgresTarget, connect, toPostgresError } from '@sluice/postgres'
import type { Client } from 'pg'
import { type ServicePosition, readServicePosition } from './service-position.ts'

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
  return onService(target, async (client) => {
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

/** A parked event as it may be shown: names, never values. */
export interface ParkedEvent {
  readonly eventId: string
  readonly lane: number
  readonly position: PositionNumber
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly aggregateType: string
  readonly aggregateId: string
  readonly eventType: string
  readonly correlationId: string
  /** Empty for an event that only waits. */
  readonly projection: string
  /** The event that it waits behind; null for one that was refused for itself. */
  readonly waitsFor: string | null
  readonly sqlState: string | null
  readonly table: string | null
  readonly column: string | null
  readonly constraint: string | null
  readonly message: string
  readonly attempts: number
  readonly parkedAt: Date
}

/**
 * Parked events in position order.
 *
 * @param limit At most so many. @default 1,000
 */
export async function listParked(target: PostgresTarget, limit = 1_000): Promise<readonly ParkedEvent[]> {
  return onService(target, async (client) => {
    const { rows } = await client.query<Omit<ParkedEvent, 'position' | 'offset'> & { position: string; offset: string }>(
      `SELECT event_id::text AS "eventId", lane, position::text, topic, partition, kafka_offset::text AS "offset",
         aggregate_type AS "aggregateType", aggregate_id::text AS "aggregateId", event_type AS "eventType",
         correlation_id AS "correlationId", projection, waits_for::text AS "waitsFor", sqlstate AS "sqlState",
         table_name AS "table", column_name AS "column", constraint_name AS "constraint", error_message AS "message", attempts,
         parked_at AS "parkedAt"
       FROM public.parked_events ORDER BY lane, parked_events.position LIMIT $1`,
      [limit],
    )
    return rows.map((row) => ({ ...row, position: positionNumber(row.position), offset: BigInt(row.offset) }))
  })
}

async function onService<Result>(target: PostgresTarget, work: (client: Client) => Promise<Result>): Promise<Result> {
  const client = await connect(target, { applicationName: 'sluice status', statementTimeoutMs: 10_000 })
  try {
    return await work(client)
  } catch (error) {
    throw toPostgresError(error, target)
  } finally {
    await client.end()
  }
}
