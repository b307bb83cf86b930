/**
 * Rows that took another key by an update which lacks a value: PostgreSQL did not send it, since it is large and did not change,
 * and no image had it. Who reads a table in the order of its keys has to read such rows by key.
 */
import type { LaneId } from '@sluice/core'
import type { ClientBase } from 'pg'

export interface MovedTable {
  readonly lane: LaneId
  /** Type of its updates. */
  readonly eventType: string
  readonly key: readonly string[]
  readonly columns: readonly string[]
}

export interface IncompleteMoves {
  /** That the rows took, as the events have them; in the order of the events. */
  readonly keys: readonly (readonly string[])[]
  /** Last position that was looked at. */
  readonly upTo: bigint
  /** False if there may be more behind it. */
  readonly isLast: boolean
}

/** Keys that are found at a time. */
const PAGE_KEYS = 5_000

/** Looks at the events after a position: those that are committed, and those of the client's own transaction. */
export async function incompleteMoves(client: ClientBase, table: MovedTable, after: bigint): Promise<IncompleteMoves> {
  const { lane, eventType, key, columns } = table
  const { rows: lanes } = await client.query<{ position: string }>(
    'SELECT position::text AS position FROM lanes WHERE lane = $1',
    [lane],
  )
  // An update tells what was before if its key changed, or another column of its replica identity.
  const { rows } = await client.query<{ position: string; key: string[] }>(
    `SELECT e.position::text AS position,
       ARRAY(SELECT e.event_data -> 'after' ->> k.name FROM unnest($4::text[]) WITH ORDINALITY AS k (name, place) ORDER BY k.place) AS key
     FROM event_store e
     WHERE e.lane = $1 AND e.position > $2 AND e.event_type = $3 AND e.event_data -> 'before' IS NOT NULL
       AND EXISTS (SELECT FROM unnest($4::text[]) AS k (name)
         WHERE e.event_data -> 'before' ->> k.name IS DISTINCT FROM e.event_data -> 'after' ->> k.name)
       AND EXISTS (SELECT FROM unnest($5::text[]) AS c (name) WHERE e.event_data -> 'after' -> c.name IS NULL)
     ORDER BY e.position LIMIT ${PAGE_KEYS}`,
    [lane, String(after), eventType, key, columns],
  )
  const isLast = rows.length < PAGE_KEYS
  const end = BigInt(isLast ? (lanes[0]?.position ?? after) : rows.at(-1)!.position)
  return { keys: rows.map((row) => row.key), upTo: end > after ? end : after, isLast }
}
