/**
 * What objects a sink must hold, from the event store: of every aggregate its state after the last event that took effect, and which
 * event that is.
 *
 *   c, r   the row
 *   u      what was sent, over what was there before; a change of key leaves no row under the old key, and its row under the new one
 *   d      no row
 *   t      no row of the table
 *
 * The server sorts positions by aggregate, and no events: of most aggregates only the last event is read.
 */
import { type RowText, ascending, quoteLiteral } from '@sluice/core'
import type { SinkTable } from '@sluice/system'
import { mergeOrdered } from './merge-ordered.ts'
import { type ObjectEvent, aggregateOf, eventsAt, isKeyChange, rowLeftBy, sinkValues } from './object-event.ts'
import type { SnapshotSession } from './snapshot-session.ts'

export interface ExpectedObject {
  readonly aggregateId: string
  readonly eventId: string
  readonly position: bigint
  /** By column of the sink's table; a column that no event had is absent. */
  readonly values: RowText
}

export interface ObjectScope {
  readonly table: SinkTable
  readonly lane: number
  /** Events after it are not looked at. */
  readonly through: bigint
  /** Ids of events that did not take effect. */
  readonly absent: ReadonlySet<string>
}

/** Changes of keys whose places are held: about 20 MB. */
export const KEY_CHANGES_MAX = 100_000
/** Aggregates whose events are read at once. */
const PAGE = 100
const FETCH_ROWS = 5_000

/** Objects in the order of their ids; null if keys changed more often than `KEY_CHANGES_MAX`. */
export async function expectedObjects(
  session: SnapshotSession,
  scope: ObjectScope,
): Promise<AsyncGenerator<ExpectedObject, undefined> | null> {
  const moves = await keyChanges(session, scope)
  return moves && statesOf(session, scope, moves)
}

async function* statesOf(
  session: SnapshotSession,
  scope: ObjectScope,
  moves: readonly Aggregate[],
): AsyncGenerator<ExpectedObject, undefined> {
  const emptiedAt = await lastTruncate(session, scope)
  const page: Search[] = []
  for await (const { expected: own, actual: moved } of mergeOrdered(ownEvents(session, scope), listed(moves), byId)) {
    const positions = [...(own?.positions ?? []), ...(moved?.positions ?? [])].filter((position) => position > emptiedAt)
    page.push(new Search(scope, (own ?? moved).id, positions.sort(lastFirst)))
    if (page.length === PAGE) yield* found(session, scope, page.splice(0))
  }
  yield* found(session, scope, page)
}

interface Aggregate {
  readonly id: string
  /** Of events that may say what its object is. */
  readonly positions: readonly bigint[]
}

function byId(one: Aggregate, other: Aggregate): number {
  return ascending(one.id, other.id)
}

function lastFirst(one: bigint, other: bigint): number {
  return ascending(other, one)
}

async function* listed<Item>(items: readonly Item[]): AsyncGenerator<Item, undefined> {
  yield* await Promise.resolve(items)
}

/** The events that belong to each aggregate. */
async function* ownEvents(session: SnapshotSession, scope: ObjectScope): AsyncGenerator<Aggregate, undefined> {
  const query = `SELECT aggregate_id::text AS id, array_agg(position::text) AS positions FROM public.event_store
    WHERE ${inScope(scope)} AND event_data->>'op' IN ('c', 'r', 'u', 'd') GROUP BY aggregate_id ORDER BY aggregate_id`
  for await (const rows of session.stream<{ id: string; positions: readonly string[] }>(query, FETCH_ROWS)) {
    yield* rows.map(({ id, positions }) => ({ id, positions: positions.map(BigInt) }))
  }
}

/** Changes of keys by the aggregate that they made, in its order: they belong to the aggregate before. */
async function keyChanges(session: SnapshotSession, scope: ObjectScope): Promise<readonly Aggregate[] | null> {
  const { source } = scope.table
  const keyColumns = `ARRAY[${source.key.map(quoteLiteral).join(', ')}]`
  const rows = await session.query<{ position: string; key: readonly string[] }>(
    `SELECT position::text AS position, ARRAY(
       SELECT event_data->'after'->>k.name FROM unnest(${keyColumns}) WITH ORDINALITY AS k (name, n) ORDER BY k.n) AS key
     FROM public.event_store WHERE ${inScope(scope)} AND ${isKeyChange(keyColumns)} LIMIT ${KEY_CHANGES_MAX + 1}`,
  )
  if (rows.length > KEY_CHANGES_MAX) return null
  const named = rows.map(({ position, key }) => {
    const row = Object.fromEntries(source.key.map((column, i) => [column, key[i] ?? null]))
    return { id: aggregateOf(source, row), position: BigInt(position) }
  })
  const grouped = Map.groupBy(named, ({ id }) => id)
  return [...grouped].map(([id, moves]) => ({ id, positions: moves.map(({ position }) => position) })).sort(byId)
}

/** Position of the last truncate that took effect; 0 if there was none. */
async function lastTruncate(session: SnapshotSession, scope: ObjectScope): Promise<bigint> {
  const rows = await session.query<{ position: string; id: string }>(
    `SELECT position::text AS position, event_id::text AS id FROM public.event_store
     WHERE ${inScope(scope)} AND event_data->>'op' = 't' ORDER BY event_store.position DESC`,
  )
  return BigInt(rows.find(({ id }) => !scope.absent.has(id))?.position ?? 0)
}

function inScope({ table, lane, through }: ObjectScope): string {
  return `lane = ${lane} AND position <= ${through} AND aggregate_type = ${quoteLiteral(table.source.aggregateType)}`
}

/** What the searches came to, in their order. */
async function* found(
  session: SnapshotSession,
  { lane }: ObjectScope,
  searches: readonly Search[],
): AsyncGenerator<ExpectedObject, undefined> {
  for (let open = searches.filter((s) => s.next !== null); open.length > 0; open = open.filter((s) => s.next !== null)) {
    const positions = open.flatMap((search) => search.next ?? [])
    const events = await eventsAt((text, values) => session.query(text, values), lane, positions)
    for (const search of open) search.take(search.next === null ? undefined : events.get(search.next))
  }
  yield* searches.flatMap((search) => search.object ?? [])
}

/** Looks for the state of one aggregate, from its last event back to one that says all of the row. */
class Search {
  readonly #scope: ObjectScope
  readonly #id: string
  readonly #positions: readonly bigint[]
  #at = 0
  #isEnded = false
  #last: ObjectEvent | null = null
  #row: RowText = {}

  constructor(scope: ObjectScope, id: string, positions: readonly bigint[]) {
    this.#scope = scope
    this.#id = id
    this.#positions = positions
  }

  /** Position of the event that is needed next; null if none is. */
  get next(): bigint | null {
    return this.#isEnded ? null : (this.#positions[this.#at] ?? null)
  }

  get object(): ExpectedObject | null {
    const { table } = this.#scope
    if (this.#last === null) return null
    const { eventId, position } = this.#last
    return { aggregateId: this.#id, eventId, position, values: sinkValues(table, this.#row, this.#last) }
  }

  take(event: ObjectEvent | undefined): void {
    this.#at += 1
    if (event === undefined || this.#scope.absent.has(event.eventId)) return
    const { source, columns } = this.#scope.table
    const left = rowLeftBy(event, source, this.#id)
    if (left === null) {
      this.#isEnded = true
      return
    }
    this.#last ??= event
    this.#row = { ...left, ...this.#row }
    const isWhole = Object.values(columns).every((from) => from.kind !== 'column' || this.#row[from.name] !== undefined)
    this.#isEnded = isWhole || event.data.op === 'c' || event.data.op === 'r'
  }
}
