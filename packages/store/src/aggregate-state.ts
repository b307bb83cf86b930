/**
 * The state of an aggregate: its newest snapshot and the events after it, or all of its events. Both give the same.
 *
 * Events have no index by aggregate, so that writing them costs none: what is after a snapshot is searched by position. Where the
 * aggregate's head says that nothing came after the snapshot, nothing is searched.
 */
import { type LaneId, type RowText, SluiceError, type Uuid, parseEventData } from '@sluice/core'
import type { ClientBase } from 'pg'
import type { AggregateKind } from './aggregate-kind.ts'
import { retainedAfter } from './retention.ts'

export interface AggregateState {
  /** Of its last event; 0 if it never had one of its own. */
  readonly version: number
  /** What is known of its row, in captured form; null if no row has its key. */
  readonly row: RowText | null
  /** Position of the lane up to which this holds. */
  readonly position: bigint
  /** The snapshot that it was made from; null: from the first event. */
  readonly snapshot: { readonly version: number; readonly position: bigint } | null
  /** Events that were read after it. */
  readonly events: number
}

export interface AggregateAsked {
  readonly lane: LaneId
  readonly kind: AggregateKind
  readonly id: Uuid
  /** Leaves snapshots out. @default false */
  readonly isFromFirstEvent?: boolean
}

/** Events that are read at a time. */
const PAGE = 500

/** @throws SluiceError SLU-3103 if retention removed events that are needed; any error of PostgreSQL as it is */
export async function loadAggregate(client: ClientBase, asked: AggregateAsked): Promise<AggregateState> {
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  try {
    return await load(client, asked)
  } finally {
    await client.query('ROLLBACK')
  }
}

interface Snapshot {
  readonly version: number
  readonly position: bigint
  readonly row: RowText
}

async function load(client: ClientBase, asked: AggregateAsked): Promise<AggregateState> {
  const { lane, kind, id } = asked
  const head = await readHead(client, asked)
  const snapshot = asked.isFromFirstEvent === true ? null : await newestSnapshot(client, asked)
  const from = snapshot === null ? null : { version: snapshot.version, position: snapshot.position }
  if (snapshot !== null && head.version === snapshot.version && head.changedAt <= snapshot.position) {
    const { version, row } = snapshot
    return { version, row: columnsOf(kind, row), position: head.position, snapshot: from, events: 0 }
  }
  const after = snapshot?.position ?? 0n
  const removed = await retainedAfter(client, lane)
  if (removed > after) throw eventsRemoved(kind, id, removed)
  const state = new StateFold(kind, id, snapshot)
  for (let position = after; ;) {
    const page = await eventsAfter(client, asked, position, head.position)
    for (const event of page) state.add(event)
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE) break
    position = BigInt(last.position)
  }
  const row = state.row === null ? null : columnsOf(kind, state.row)
  return { version: state.version, row, position: head.position, snapshot: from, events: state.events }
}

interface Head {
  readonly version: number
  /** Of the lane. */
  readonly position: bigint
  /** Where the row changed last: its last image, or a truncate of its table. */
  readonly changedAt: bigint
}

async function readHead(client: ClientBase, { lane, kind, id }: AggregateAsked): Promise<Head> {
  const { rows } = await client.query<{ version: number | null; position: string; changed: string }>(
    `SELECT l.position::text AS position, (SELECT h.event_version FROM aggregate_heads h
         WHERE h.aggregate_id = $2 AND h.aggregate_type = $4) AS version,
       (SELECT coalesce(max(h.image_position), 0) FROM aggregate_heads h
         WHERE h.aggregate_id IN ($2, $3) AND h.aggregate_type = $4)::text AS changed
     FROM lanes l WHERE l.lane = $1`,
    [lane, id, kind.tableAggregateId, kind.type],
  )
  const [row] = rows
  return { version: row?.version ?? 0, position: BigInt(row?.position ?? 0), changedAt: BigInt(row?.changed ?? 0) }
}

async function newestSnapshot(client: ClientBase, { lane, kind, id }: AggregateAsked): Promise<Snapshot | null> {
  const { rows } = await client.query<{ version: number; position: string; row: RowText }>(
    `SELECT snapshot_version AS version, position::text AS position, snapshot_data AS row FROM event_snapshots
     WHERE aggregate_type = $2 AND aggregate_id = $3 AND lane = $1 ORDER BY snapshot_version DESC LIMIT 1`,
    [lane, kind.type, id],
  )
  const [found] = rows
  return found === undefined ? null : { ...found, position: BigInt(found.position) }
}

interface FoundEvent {
  readonly position: string
  readonly aggregate_id: Uuid
  readonly event_version: number
  readonly event_data: string
}

/** The aggregate's own, truncates of its table, and changes of a key: one of those may have given another row this key. */
async function eventsAfter(
  client: ClientBase,
  { lane, kind, id }: AggregateAsked,
  after: bigint,
  through: bigint,
): Promise<readonly FoundEvent[]> {
  const { rows } = await client.query<FoundEvent>(
    `SELECT e.position::text AS position, e.aggregate_id, e.event_version, e.event_data::text AS event_data FROM event_store e
     WHERE e.lane = $1 AND e.position > $2 AND e.position <= $3 AND e.aggregate_type = $4
       AND (e.aggregate_id = $5 OR e.aggregate_id = $6
         OR (e.event_data::text LIKE '{"op":"u"%' AND e.event_data -> 'before' IS NOT NULL))
     ORDER BY e.position LIMIT ${PAGE}`,
    [lane, String(after), String(through), kind.type, id, kind.tableAggregateId],
  )
  return rows
}

class StateFold {
  readonly #kind: AggregateKind
  readonly #id: Uuid
  version: number
  row: RowText | null
  events = 0

  constructor(kind: AggregateKind, id: Uuid, snapshot: Snapshot | null) {
    this.#kind = kind
    this.#id = id
    this.version = snapshot?.version ?? 0
    this.row = snapshot?.row ?? null
  }

  add(event: FoundEvent): void {
    const data = parseEventData(event.event_data)
    if (event.aggregate_id !== this.#id) {
      if (data.op === 't') this.#take(null)
      else if (data.op === 'u' && this.#kind.idOf(data.after) === this.#id) this.#take({ ...data.before, ...data.after })
      return
    }
    this.version = event.event_version
    switch (data.op) {
      case 'c':
      case 'r':
        this.#take(data.after)
        break
      case 'u':
        this.#take(this.#kind.idOf(data.after) === this.#id ? { ...this.row, ...data.before, ...data.after } : null)
        break
      case 'd':
      case 't':
        this.#take(null)
        break
      case 'e':
        this.events += 1
    }
  }

  #take(row: RowText | null): void {
    this.row = row
    this.events += 1
  }
}

/** What the definition has now; an old event may have more. */
function columnsOf({ columns }: AggregateKind, row: RowText): RowText {
  return Object.fromEntries(columns.flatMap((name) => (row[name] === undefined ? [] : [[name, row[name]]])))
}

function eventsRemoved({ type }: AggregateKind, id: Uuid, removed: bigint): SluiceError {
  return new SluiceError('STORE_EVENT_MISSING', {
    what: `the state of ${type}/${id} is not known from its events`,
    why: `retention removed the events up to position ${removed}, and there is no snapshot from there on`,
    ways: ['sluice aggregate snapshot --every 1    takes one of every row, from what is stored last of it'],
  })
}
