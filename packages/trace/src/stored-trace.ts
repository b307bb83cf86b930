/** The events of a correlation in the store, with the times of reader and relay. */
import { type LaneRecord, listLanes } from '@sluice/store'
import type { ClientBase } from 'pg'
import { EVENT_LINE, type EventLine, type EventLineRow, eventLine } from './event-line.ts'

export interface StoredTraceEvent extends EventLine {
  readonly storedAt: string
  readonly isPublished: boolean
  /** null while it waits for the relay, or where the relay died before it noted the time. */
  readonly publishedAt: string | null
}

interface TraceRow extends EventLineRow {
  readonly stored_at: Date | null
  readonly is_published: boolean
  readonly published_at: Date | null
}

/** Both look-ups are by the indexed end of a stretch of positions: one entry each, whatever the store's size. */
const TRACE = `
SELECT ${EVENT_LINE}, c.stored_at, e.position <= coalesce(p.position, 0) AS is_published, b.finished_at AS published_at
FROM event_store e
LEFT JOIN relay_progress p ON p.lane = e.lane
LEFT JOIN LATERAL (
  SELECT stored_at FROM event_commits WHERE lane = e.lane AND last_position >= e.position ORDER BY last_position LIMIT 1
) c ON true
LEFT JOIN LATERAL (
  SELECT finished_at FROM processing_batches
  WHERE lane = e.lane AND stage = 'relay' AND last_position >= e.position AND e.position <= p.position ORDER BY last_position LIMIT 1
) b ON true
WHERE e.lane = $1 AND e.position BETWEEN $2 AND $3 AND e.correlation_id = $4 ORDER BY e.position LIMIT $5`

export interface StoredTrace {
  readonly total: bigint
  readonly events: readonly StoredTraceEvent[]
}

/** The first `limit` events of each lane of the system; `total` counts all. */
export async function storedTrace(
  client: ClientBase,
  system: string,
  correlationId: string,
  limit: number,
): Promise<StoredTrace> {
  let total = 0n
  const events: StoredTraceEvent[] = []
  for (const lane of await listLanes(client, system)) {
    const runs = await runsOf(client, lane, correlationId)
    let left = limit
    for (const run of runs) {
      total += run.last - run.first + 1n
      if (left === 0) continue
      const values = [lane.lane, String(run.first), String(run.last), correlationId, left]
      const { rows } = await client.query<TraceRow>(TRACE, values)
      events.push(...rows.map((row) => traceEvent(lane.laneName, row)))
      left -= rows.length
    }
  }
  return { total, events }
}

async function runsOf(
  client: ClientBase,
  lane: LaneRecord,
  correlationId: string,
): Promise<readonly { readonly first: bigint; readonly last: bigint }[]> {
  const { rows } = await client.query<{ first: string; last: string }>(
    `SELECT first_position::text AS first, last_position::text AS last FROM event_correlations
     WHERE correlation_id = $1 AND lane = $2 ORDER BY first_position`,
    [correlationId, lane.lane],
  )
  return rows.map((row) => ({ first: BigInt(row.first), last: BigInt(row.last) }))
}

function traceEvent(lane: string, row: TraceRow): StoredTraceEvent {
  return {
    ...eventLine(lane, row),
    storedAt: (row.stored_at ?? row.created_at).toISOString(),
    isPublished: row.is_published,
    publishedAt: row.published_at?.toISOString() ?? null,
  }
}
