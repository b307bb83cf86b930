/** Rows that people changed on their way into a service, with `sluice parked edit`: named whether they differ or not. */
import type { SnapshotSession } from './snapshot-session.ts'

/** A row that took effect with an edit. Its source does not have that value unless it was corrected since. */
export interface EditedRow {
  readonly eventId: string
  readonly aggregateType: string
  readonly aggregateKey: string
  /** Columns of the source that were changed. */
  readonly columns: readonly string[]
  readonly requestedBy: string
  readonly appliedAt: string
}

/** @param session The service's snapshot that is compared. */
export async function editedRows(session: SnapshotSession): Promise<readonly EditedRow[]> {
  return session.query<EditedRow>(
    `SELECT event_id::text AS "eventId", aggregate_type AS "aggregateType", aggregate_key AS "aggregateKey",
       array_agg(DISTINCT column_name ORDER BY column_name) AS columns, max(requested_by) AS "requestedBy",
       to_char(max(applied_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS "appliedAt"
     FROM public.parked_event_edits WHERE applied_at IS NOT NULL
     GROUP BY event_id, lane, position, aggregate_type, aggregate_key ORDER BY lane, position`,
  )
}
