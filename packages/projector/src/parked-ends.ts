/** How events left the parking lot: what people did about them, and what a truncate of their table ended. */
import { type PositionNumber, positionNumber } from '@sluice/core'
import { type PostgresTarget, withConnection } from '@sluice/postgres'

const SESSION = { applicationName: 'sluice parked', statementTimeoutMs: 10_000 }

export interface ParkedEnd {
  readonly eventId: string
  readonly lane: number
  readonly position: PositionNumber
  readonly aggregateType: string
  readonly aggregateId: string
  readonly eventType: string
  readonly result: 'applied' | 'skipped' | 'closed'
  /** Position of the truncate that closed it; null for another result, and for one that was closed before this was kept. */
  readonly closedBy: PositionNumber | null
  readonly endedAt: Date
}

/** The newest ones first, at most `limit`; of one event if it is named. @throws SluiceError SLU-2001 to SLU-2004 */
export async function listParkedEnds(
  target: PostgresTarget,
  options: { readonly eventId?: string; readonly limit: number },
): Promise<readonly ParkedEnd[]> {
  type Row = Omit<ParkedEnd, 'position' | 'closedBy'> & { readonly position: string; readonly closedBy: string | null }
  return withConnection(target, SESSION, async (client) => {
    const { rows } = await client.query<Row>(
      `SELECT event_id::text AS "eventId", lane, position::text AS position, aggregate_type AS "aggregateType",
         aggregate_id::text AS "aggregateId", event_type AS "eventType", result, closed_by_position::text AS "closedBy",
         ended_at AS "endedAt"
       FROM public.parked_event_results WHERE event_id = coalesce($1::uuid, event_id) ORDER BY id DESC LIMIT $2`,
      [options.eventId ?? null, options.limit],
    )
    return rows.map((row) => ({
      ...row,
      position: positionNumber(row.position),
      closedBy: row.closedBy === null ? null : positionNumber(row.closedBy),
    }))
  })
}
