/**
 * Aggregate snapshots: the state of an aggregate's row and the position it stands for, so that the state is known without its first
 * events.
 *
 * G1  Everything of the lane up to a snapshot's position is in it, nothing after: heads, images and the lane's position are read by one
 *     statement.
 * G2  Only a whole row is kept. An image that lacks a captured column (the definition has a new one, retention removed the value) has
 *     none, and is counted.
 * G3  Of a row that is gone there is no snapshot, and of one that is there only the newest: nothing outlives the row here.
 * G4  None holds a value of an erased subject: who takes one and who erases take turns by the table's lock.
 *
 * In pages of heads, a transaction each: killed anywhere, what was taken stays and the next run does the rest.
 */
import type { LaneId } from '@sluice/core'
import type { ClientBase } from 'pg'
import type { AggregateKind } from './aggregate-kind.ts'

export interface SnapshotRun {
  readonly lane: LaneId
  readonly kinds: readonly AggregateKind[]
  /** Versions that an aggregate has to have beyond its last snapshot, to get another one. */
  readonly every: number
  /** @default none */
  readonly signal?: AbortSignal
}

export interface SnapshotsTaken {
  readonly taken: number
  /** Aggregates that were due and whose last image is not whole. */
  readonly incomplete: number
  /** Older ones, and those of rows that are gone. */
  readonly removed: number
}

/** Heads of one transaction. */
const PAGE = 2_000

/** @throws any error of PostgreSQL as it is */
export async function takeAggregateSnapshots(client: ClientBase, run: SnapshotRun): Promise<SnapshotsTaken> {
  let total: SnapshotsTaken = { taken: 0, incomplete: 0, removed: 0 }
  for (const kind of run.kinds) {
    for (let page: TakenPage | null = null; page === null || page.last !== null;) {
      run.signal?.throwIfAborted()
      page = await takePage(client, run, kind, page?.last ?? null)
      total = {
        taken: total.taken + page.taken,
        incomplete: total.incomplete + page.incomplete,
        removed: total.removed + page.removed,
      }
    }
  }
  return total
}

interface TakenPage extends SnapshotsTaken {
  /** Last aggregate of the page; null if there was none. */
  readonly last: string | null
}

async function takePage(client: ClientBase, run: SnapshotRun, kind: AggregateKind, after: string | null): Promise<TakenPage> {
  await client.query('BEGIN')
  try {
    // Before the first look at what is erased, see G4.
    await client.query('LOCK TABLE event_snapshots IN ROW EXCLUSIVE MODE')
    const { rows } = await client.query<{ last: string | null; due: number; whole: number; taken: number }>(TAKE, [
      run.lane,
      kind.type,
      kind.tableAggregateId,
      kind.columns,
      after,
      PAGE,
      run.every,
    ])
    const { last, due, whole, taken } = rows[0]!
    const removed =
      last === null ? 0 : ((await client.query(REMOVE, [kind.type, kind.tableAggregateId, after, last])).rowCount ?? 0)
    await client.query('COMMIT')
    return { last, taken, incomplete: due - whole, removed }
  } catch (error) {
    await client.query('ROLLBACK')
    throw error
  }
}

/** Position of the last truncate of the table; before it every row is gone. */
const TRUNCATED = `coalesce((SELECT t.image_position FROM aggregate_heads t
  WHERE t.aggregate_id = $3 AND t.aggregate_type = $2 AND t.image_lane = $1), 0)`

const TAKE = `
  WITH page AS MATERIALIZED (
    SELECT h.aggregate_id, h.event_version, h.image_position, h.image_lane FROM aggregate_heads h
    WHERE h.aggregate_type = $2 AND ($5::uuid IS NULL OR h.aggregate_id > $5) AND h.aggregate_id <> $3
    ORDER BY h.aggregate_id LIMIT $6),
  due AS MATERIALIZED (
    SELECT p.aggregate_id, p.event_version, e.event_id, (e.event_data -> 'after')::jsonb AS image
    FROM page p JOIN event_store e ON e.lane = $1 AND e.position = p.image_position
    WHERE p.image_lane = $1 AND p.image_position > ${TRUNCATED}
      AND p.event_version - coalesce((SELECT max(s.snapshot_version) FROM event_snapshots s
        WHERE s.aggregate_type = $2 AND s.aggregate_id = p.aggregate_id), 0) >= $7),
  whole AS MATERIALIZED (
    SELECT d.aggregate_id, d.event_version, d.event_id,
      (SELECT jsonb_object_agg(c.name, d.image -> c.name) FROM unnest($4::text[]) AS c (name)) AS row,
      ARRAY(SELECT DISTINCT (regexp_match(v.value, '^sluice:(?:sealed|erased):1:([0-9a-f]{32})'))[1]
        FROM jsonb_each_text(d.image) v WHERE v.value LIKE 'sluice:%:1:%') AS subjects
    FROM due d WHERE d.image ?& $4::text[]),
  taken AS (
    INSERT INTO event_snapshots (aggregate_id, aggregate_type, snapshot_version, snapshot_data, lane, position, link, head, event_id,
      subject_ids)
    SELECT w.aggregate_id, $2, w.event_version, w.row, l.lane, l.position, l.link, l.head, w.event_id, array_remove(w.subjects, NULL)
    FROM whole w CROSS JOIN lanes l
    WHERE l.lane = $1
      AND NOT EXISTS (SELECT FROM subject_keys k WHERE k.destroyed_at IS NOT NULL AND k.subject_id = ANY (w.subjects))
    ON CONFLICT (aggregate_type, aggregate_id, snapshot_version) DO NOTHING RETURNING 1)
  SELECT (SELECT aggregate_id::text FROM page ORDER BY aggregate_id DESC LIMIT 1) AS last, (SELECT count(*) FROM due)::integer AS due,
    (SELECT count(*) FROM whole)::integer AS whole, (SELECT count(*) FROM taken)::integer AS taken`

const REMOVE = `
  DELETE FROM event_snapshots s WHERE s.aggregate_type = $1 AND ($3::uuid IS NULL OR s.aggregate_id > $3) AND s.aggregate_id <= $4 AND (
    s.snapshot_version < (SELECT max(n.snapshot_version) FROM event_snapshots n
      WHERE n.aggregate_type = s.aggregate_type AND n.aggregate_id = s.aggregate_id)
    OR NOT EXISTS (SELECT FROM aggregate_heads h
      WHERE h.aggregate_id = s.aggregate_id AND h.aggregate_type = s.aggregate_type AND h.image_position > coalesce((
        SELECT t.image_position FROM aggregate_heads t WHERE t.aggregate_id = $2 AND t.aggregate_type = $1), 0)))`
