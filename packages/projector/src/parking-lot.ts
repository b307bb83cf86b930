/**
 * Events that the service refused, and those that wait behind them (promise 7, its first form).
 *
 * L1  An event is parked in the transaction that would have applied it, and counts as met from then on.
 * L2  Once an event of an aggregate is parked, every later one of it is parked behind it.
 * L3  What is stored of the reason are names: SQLSTATE, table, column, constraint. The message is the event as captured.
 */
import { aggregateName } from '@sluice/core'
import type { ClientBase } from 'pg'
import type { BatchEvent } from './batch.ts'
import type { ProjectionPlan } from './projection-plan.ts'
import type { Refusal } from './refusal.ts'
import { textArray } from './text-array.ts'
import { changedKey } from './wave.ts'

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

const FOREIGN_KEY_VIOLATION = '23503'

/** The parking lot as one transaction sees it and adds to it. */
export class ParkingLot {
  readonly #client: ClientBase
  readonly #plan: ProjectionPlan
  readonly #mayHaveStored: boolean
  readonly #drafts: ParkedDraft[] = []
  /** Last parked event of an aggregate: stored ones that the batch may meet, then those of this transaction. */
  readonly #stored = new Map<string, string>()
  readonly #added = new Map<string, string>()

  /** @param mayHaveStored False if the parking lot is known to be empty. */
  constructor(client: ClientBase, plan: ProjectionPlan, mayHaveStored: boolean) {
    this.#client = client
    this.#plan = plan
    this.#mayHaveStored = mayHaveStored
  }

  /** Reads which aggregates of a batch are parked already. */
  async look(events: readonly BatchEvent[]): Promise<void> {
    if (!this.#mayHaveStored) return
    const refs = new Map(events.flatMap(aggregatesOf).map((ref) => [nameOf(ref), ref]))
    await this.#lookUp([...refs.values()])
  }

  get drafts(): readonly ParkedDraft[] {
    return this.#drafts
  }

  get isEmpty(): boolean {
    return this.#stored.size === 0 && this.#added.size === 0
  }

  /** The parked event that this one has to wait behind. */
  blockerOf(item: BatchEvent): string | null {
    if (this.isEmpty) return null
    for (const ref of aggregatesOf(item)) {
      const name = nameOf(ref)
      const blocker = this.#added.get(name) ?? this.#stored.get(name)
      if (blocker !== undefined) return blocker
    }
    return null
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

  /** Parks a refused event; one that only lacks the row of a parked one waits behind that. */
  async park(item: BatchEvent, refusal: Refusal): Promise<void> {
    const waitsFor = refusal.sqlState === FOREIGN_KEY_VIOLATION ? await this.#missingParent(item, refusal) : null
    this.#add({ item, refusal, waitsFor })
  }

  /** For `rewind`: what is parked up to now. */
  get mark(): number {
    return this.#drafts.length
  }

  /** Forgets what was parked after a mark: the transaction went back to before it. */
  rewind(mark: number): void {
    const kept = this.#drafts.splice(0).slice(0, mark)
    this.#added.clear()
    for (const draft of kept) this.#add(draft)
  }

  /** Writes what this transaction parked. */
  async store(): Promise<void> {
    for (const { item, refusal, waitsFor } of this.#drafts) {
      const { event, place } = item
      const [, other] = aggregatesOf(item)
      await this.#client.query(
        `INSERT INTO public.parked_events (event_id, lane, position, topic, partition, kafka_offset, aggregate_type, aggregate_id,
           other_aggregate_id, event_type, correlation_id, projection, waits_for, error_code, sqlstate, table_name, column_name,
           constraint_name, error_message, message)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'SLU-5020', $14, $15, $16, $17, $18, $19)`,
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
        ],
      )
    }
  }

  #add(draft: ParkedDraft): void {
    this.#drafts.push(draft)
    for (const ref of aggregatesOf(draft.item)) this.#added.set(nameOf(ref), draft.item.event.eventId)
  }

  async #missingParent(item: BatchEvent, refusal: Refusal): Promise<string | null> {
    const parents = parentsOf(item, refusal, this.#plan)
    if (this.#mayHaveStored) await this.#lookUp(parents)
    for (const ref of parents) {
      const blocker = this.#added.get(nameOf(ref)) ?? this.#stored.get(nameOf(ref))
      if (blocker !== undefined && blocker !== item.event.eventId) return blocker
    }
    return null
  }

  async #lookUp(refs: readonly AggregateRef[]): Promise<void> {
    const { rows } = await this.#client.query<{ type: string; id: string; event_id: string }>(
      `SELECT DISTINCT ON (r.type, r.id) r.type, r.id::text AS id, p.event_id::text
       FROM unnest($1::text[], $2::uuid[]) AS r (type, id)
       JOIN public.parked_events p ON p.aggregate_type = r.type AND (p.aggregate_id = r.id OR p.other_aggregate_id = r.id)
       ORDER BY r.type, r.id, p.lane, p.position DESC`,
      [textArray(refs.map((r) => r.type)), textArray(refs.map((r) => r.id))],
    )
    for (const row of rows) this.#stored.set(nameOf(row), row.event_id)
  }
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
