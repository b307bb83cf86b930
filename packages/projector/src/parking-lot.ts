/**
 * Events that the service refused, and those that wait behind them (promise 7).
 *
 * L1  An event is parked in the transaction that would have applied it, and counts as met from then on.
 * L2  Once an event of an aggregate is parked, every later one of it is parked behind it, up to a truncate of its table: that ends
 *     every aggregate, so what is parked below it is closed with a record; of a truncate that members share, in its own partitions.
 * L3  What is stored of the reason are names: SQLSTATE, table, column, constraint. The message is the event as captured.
 */
import { aggregateName, tableAggregateName } from '@sluice/core'
import { changedKey, qualifiedName } from '@sluice/system'
import type { ClientBase } from 'pg'
import type { BatchEvent } from './batch.ts'
import type { ParkingBreaker, Tried } from './parking-breaker.ts'
import type { ProjectionPlan } from './projection-plan.ts'
import type { Refusal } from './refusal.ts'
import { textArray } from './text-array.ts'

export interface ParkedDraft {
  readonly item: BatchEvent
  readonly refusal: Refusal
  /** The event that this one waits behind; null if it was refused for itself. */
  readonly waitsFor: string | null
}

interface AggregateRef {
  readonly type: string
  readonly id: string
}

/** A parked event that others wait behind. */
interface Blocker {
  readonly eventId: string
  readonly position: bigint
}

/** What is kept of an event that is parked anew after a retry. */
export interface EarlierParking {
  readonly attempts: number
  readonly parkedAt: Date
}

const FOREIGN_KEY_VIOLATION = '23503'

/** The parking lot as one transaction sees it and adds to it. */
export class ParkingLot {
  readonly #client: ClientBase
  readonly #plan: ProjectionPlan
  readonly #mayHaveStored: boolean
  readonly #drafts: ParkedDraft[] = []
  /** The last stored one before an event of the batch, by that event's id. */
  readonly #stored = new Map<string, Blocker>()
  /** The last one of this transaction, by aggregate. */
  readonly #added = new Map<string, Blocker>()
  readonly #breaker: ParkingBreaker | null
  #events: readonly BatchEvent[] = []
  #truncates: readonly BatchEvent[] = []
  /** Refused for themselves, by aggregate type. */
  readonly #refused = new Map<string, number>()

  /**
   * @param mayHaveStored False if the parking lot is known to be empty.
   * @param breaker Null where a person decides how many are tried.
   */
  constructor(client: ClientBase, plan: ProjectionPlan, mayHaveStored: boolean, breaker: ParkingBreaker | null = null) {
    this.#client = client
    this.#plan = plan
    this.#mayHaveStored = mayHaveStored
    this.#breaker = breaker
  }

  /** Reads which events of a batch have a parked one of their aggregate before them. */
  async look(events: readonly BatchEvent[]): Promise<void> {
    this.#events = events
    this.#truncates = events.filter((item) => item.event.op === 't')
    if (!this.#mayHaveStored) return
    const asked = events.flatMap((item) => holdersOf(item).map((ref) => ({ ref, event: item.event })))
    // One look into an index for each, whatever the lot holds: a join over the two columns would compare every row with every other.
    const before = (column: string): string =>
      `(SELECT event_id, position FROM public.parked_events WHERE aggregate_type = r.type AND ${column} = r.id AND lane = r.lane
         AND position < r.position ORDER BY position DESC LIMIT 1)`
    const { rows } = await this.#client.query<{ item: string; event_id: string; position: string }>(
      `SELECT DISTINCT ON (r.item) r.item::text AS item, p.event_id::text, p.position::text
       FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::smallint[], $5::bigint[]) AS r (item, type, id, lane, position)
       CROSS JOIN LATERAL (${before('aggregate_id')} UNION ALL ${before('other_aggregate_id')}) AS p
       ORDER BY r.item, p.position DESC`,
      [
        textArray(asked.map((a) => a.event.eventId)),
        textArray(asked.map((a) => a.ref.type)),
        textArray(asked.map((a) => a.ref.id)),
        textArray(asked.map((a) => String(a.event.lane))),
        textArray(asked.map((a) => String(a.event.position))),
      ],
    )
    for (const row of rows) this.#stored.set(row.item, { eventId: row.event_id, position: BigInt(row.position) })
  }

  /** What this transaction parks; without those that a truncate of it closed again. */
  get drafts(): readonly ParkedDraft[] {
    return this.#truncates.length === 0 ? this.#drafts : this.#drafts.filter((draft) => this.#closing(draft.item) === null)
  }

  /** True if this transaction parked the event, also if it closed it again. */
  hasDraft({ event }: BatchEvent): boolean {
    return this.#drafts.some((draft) => draft.item.event.eventId === event.eventId)
  }

  get isEmpty(): boolean {
    return this.#stored.size === 0 && this.#added.size === 0
  }

  /** The parked event that this one has to wait behind. */
  blockerOf(item: BatchEvent): string | null {
    if (this.isEmpty) return null
    const floor = this.#floorOf(item)
    const blockers = [this.#stored.get(item.event.eventId), ...holdersOf(item).map((ref) => this.#added.get(nameOf(ref)))]
    let last: Blocker | null = null
    for (const blocker of blockers) {
      if (blocker && blocker.position > floor && (last === null || blocker.position > last.position)) last = blocker
    }
    return last?.eventId ?? null
  }

  /** Parks an event behind an earlier one of its aggregate. */
  queue(item: BatchEvent, blocker: string): void {
    const message = 'an earlier event of its aggregate is parked'
    this.#add({
      item,
      refusal: { projection: '', sqlState: null, table: null, column: null, constraint: null, message },
      waitsFor: blocker,
    })
  }

  /**
   * Parks a refused event; one that only lacks the row of a parked one waits behind that.
   *
   * @throws SluiceError SLU-5023 if too many are refused
   */
  async park(item: BatchEvent, refusal: Refusal): Promise<void> {
    const waitsFor = refusal.sqlState === FOREIGN_KEY_VIOLATION ? await this.#missingParent(item, refusal) : null
    this.#add({ item, refusal, waitsFor })
    const { aggregateType, position } = item.event
    const refused = this.#refused.get(aggregateType) ?? 0
    if (!this.#breaker?.isNear(aggregateType, refused)) return
    const upToHere = this.#events.filter((e) => e.event.aggregateType === aggregateType && e.event.position <= position)
    this.#breaker.check(aggregateType, { refused, applied: upToHere.length - this.#draftsOf(aggregateType) })
  }

  /** What became of the batch's events that did not wait, by aggregate type. */
  tried(): ReadonlyMap<string, Tried> {
    const tried = new Map<string, Tried>()
    for (const [type, events] of Map.groupBy(this.#events, (item) => item.event.aggregateType)) {
      tried.set(type, { refused: this.#refused.get(type) ?? 0, applied: events.length - this.#draftsOf(type) })
    }
    return tried
  }

  /** For `rewind`: what is parked up to now. */
  get mark(): number {
    return this.#drafts.length
  }

  /** Forgets what was parked after a mark: the transaction went back to before it. */
  rewind(mark: number): void {
    const kept = this.#drafts.splice(0).slice(0, mark)
    this.#added.clear()
    this.#refused.clear()
    for (const draft of kept) this.#add(draft)
  }

  /**
   * Writes what this transaction parked, and closes what its truncates ended.
   *
   * @param earlier Events that were parked before, by id: they keep their first time, and count one attempt more if they were tried.
   */
  async store(earlier: ReadonlyMap<string, EarlierParking> = new Map()): Promise<void> {
    for (const { item, refusal, waitsFor } of this.#drafts) {
      const { event, place } = item
      const [, other] = aggregatesOf(item)
      const before = earlier.get(event.eventId)
      const wasTried = refusal.projection !== '' || before === undefined
      await this.#client.query(
        `INSERT INTO public.parked_events (event_id, lane, position, topic, partition, kafka_offset, aggregate_type, aggregate_id,
           other_aggregate_id, event_type, correlation_id, projection, waits_for, error_code, sqlstate, table_name, column_name,
           constraint_name, error_message, message, attempts, parked_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $22, $14, $15, $16, $17, $18, $19, $20,
           coalesce($21, now()))
         ${item.partitions === undefined ? '' : 'ON CONFLICT (event_id) DO NOTHING'}`,
        [
          event.eventId,
          event.lane,
          event.position,
          place.topic,
          place.partition,
          place.offset,
          event.aggregateType,
          event.aggregateId,
          other?.id ?? null,
          event.eventType,
          event.context.correlationId ?? '',
          refusal.projection,
          waitsFor,
          refusal.sqlState,
          refusal.table,
          refusal.column,
          refusal.constraint,
          refusal.message,
          item.message,
          (before?.attempts ?? 0) + (wasTried ? 1 : 0),
          before?.parkedAt ?? null,
          refusal.code ?? 'SLU-5020',
        ],
      )
    }
    for (const item of this.#truncates) if (!this.hasDraft(item)) await this.#close(item)
  }

  /** Events of the table below a truncate that was applied: their rows are gone, and stay so. */
  async #close({ event, place, partitions }: BatchEvent): Promise<void> {
    await this.#client.query(
      `WITH closed AS (
         DELETE FROM public.parked_events
         WHERE lane = $1 AND topic = $5 AND aggregate_type = $2 AND position < $3 AND partition = ANY (coalesce($6::integer[], ARRAY[partition]))
         RETURNING event_id, lane, position, topic, aggregate_type, aggregate_id, event_type, parked_at),
       given_up AS (UPDATE public.parked_event_edits SET value = NULL WHERE event_id IN (SELECT event_id FROM closed))
       INSERT INTO public.parked_event_results
         (event_id, lane, position, topic, aggregate_type, aggregate_id, event_type, parked_at, result, closed_by, closed_by_position)
       SELECT closed.*, 'closed', $4, $3 FROM closed`,
      [event.lane, event.aggregateType, event.position, event.eventId, place.topic, partitions ?? null],
    )
  }

  /** Position of the last truncate that was applied before an event of the same table; 0 if there was none. */
  #floorOf(item: BatchEvent): bigint {
    let floor = 0n
    for (const truncate of this.#truncates) {
      const { position } = truncate.event
      const isBefore = position < item.event.position && endsPartitionOf(truncate, item)
      if (isBefore && position > floor && !this.hasDraft(truncate)) floor = position
    }
    return floor
  }

  /** The truncate of this transaction that ended an event's aggregate. */
  #closing(item: BatchEvent): BatchEvent | null {
    const found = this.#truncates.find(
      (truncate) => truncate.event.position > item.event.position && endsPartitionOf(truncate, item) && !this.hasDraft(truncate),
    )
    return found ?? null
  }

  #add(draft: ParkedDraft): void {
    const { item } = draft
    this.#drafts.push(item.unopened === undefined ? draft : { ...draft, item: item.unopened })
    const { eventId, position, aggregateType } = draft.item.event
    // The breaker is for events that the service refuses: an embedder that is away is none of its matter, and blocks nobody.
    const isRefused = draft.waitsFor === null && draft.refusal.code !== 'SLU-5105'
    if (isRefused) this.#refused.set(aggregateType, (this.#refused.get(aggregateType) ?? 0) + 1)
    for (const ref of aggregatesOf(draft.item)) this.#added.set(nameOf(ref), { eventId, position })
  }

  #draftsOf(aggregateType: string): number {
    return this.#drafts.filter((draft) => draft.item.event.aggregateType === aggregateType).length
  }

  async #missingParent(item: BatchEvent, refusal: Refusal): Promise<string | null> {
    const parents = parentsOf(item, refusal, this.#plan)
    const added = parents.map((ref) => this.#added.get(nameOf(ref))?.eventId)
    return [...added, ...(await this.#storedOf(parents))].find((id) => id !== undefined && id !== item.event.eventId) ?? null
  }

  /** The last stored parked event of each aggregate that has one. */
  async #storedOf(refs: readonly AggregateRef[]): Promise<readonly string[]> {
    if (!this.#mayHaveStored || refs.length === 0) return []
    const { rows } = await this.#client.query<{ event_id: string }>(
      `SELECT DISTINCT ON (r.type, r.id) p.event_id::text
       FROM unnest($1::text[], $2::uuid[]) AS r (type, id)
       JOIN public.parked_events p ON p.aggregate_type = r.type AND (p.aggregate_id = r.id OR p.other_aggregate_id = r.id)
       ORDER BY r.type, r.id, p.lane, p.position DESC`,
      [textArray(refs.map((r) => r.type)), textArray(refs.map((r) => r.id))],
    )
    return rows.map((row) => row.event_id)
  }
}

/** True if a truncate ends the keys of an event's table where the event is. Own events of the same aggregates have another topic. */
function endsPartitionOf(truncate: BatchEvent, { event, place }: BatchEvent): boolean {
  const { aggregateType, lane } = truncate.event
  const isOfTable = aggregateType === event.aggregateType && lane === event.lane && truncate.place.topic === place.topic
  return isOfTable && (truncate.partitions?.includes(place.partition) ?? true)
}

function nameOf(ref: AggregateRef): string {
  return `${ref.type}/${ref.id}`
}

/** The event's aggregate, and the other one where a change of key touches two. */
function aggregatesOf({ event, route }: BatchEvent): readonly AggregateRef[] {
  const type = event.aggregateType
  const own = { type, id: event.aggregateId }
  const key = route?.kind === 'table' ? route.table.source.key : []
  const before = changedKey(event, key)
  if (!before || !event.after) return [own]
  const { after } = event
  const ids = [before, after].map((row) => aggregateName(key.map((c) => row[c] ?? '')).id)
  return [own, ...ids.filter((id) => id !== event.aggregateId).map((id) => ({ type, id }))]
}

/**
 * Whose parked events an event waits behind: its aggregates', and its table's own, to which a truncate belongs; applied late, that would
 * take newer rows with it. Where events are in order within a key only, a truncate that was refused is not applied later, and holds
 * nobody.
 */
function holdersOf(item: BatchEvent): readonly AggregateRef[] {
  const { event, route } = item
  if (route?.kind !== 'table' || route.table.isOrderedByKeyOnly || event.op === 't') return aggregatesOf(item)
  const { source } = route.table
  return [...aggregatesOf(item), { type: event.aggregateType, id: tableAggregateName(qualifiedName(source)).id }]
}

/** Aggregates whose row a foreign key of the event asks for, as far as both sides are plain columns. */
function parentsOf({ event, route }: BatchEvent, refusal: Refusal, plan: ProjectionPlan): readonly AggregateRef[] {
  if (route?.kind !== 'table' || !event.after) return []
  const { after } = event
  const { table } = route
  return plan.catalog.foreignKeys
    .filter((key) => key.constraint === refusal.constraint)
    .flatMap((key) => {
      const mappings = table.targets.flatMap((t) => (t.name === key.child ? t.mappings : []))
      return mappings.flatMap(({ mapping }) => {
        const values = new Map(
          key.childColumns.map((column, i) => {
            const from = mapping.columns[column]
            return [key.parentColumns[i]!, from?.kind === 'column' ? after[from.name] : undefined]
          }),
        )
        return plan.tables.flatMap((parent): AggregateRef[] => {
          const target = parent.targets.find((t) => t.name === key.parent)
          const names = target?.mappings[0]?.mapping.targetKey.map((c) => values.get(c)) ?? []
          const isKnown = names.length > 0 && names.every((n) => typeof n === 'string')
          return isKnown ? [{ type: parent.source.aggregateType, id: aggregateName(names).id }] : []
        })
      })
    })
}
