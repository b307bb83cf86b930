/**
 * The sink's part in a transaction of the service (decision 0021).
 *
 *   asked   before a run of events is written, the sink says which it can not hold: these are refused like any other
 *   written after all of them took effect, and before positions move; a refusal then ends the transaction, which is tried again
 *           without those events
 *
 * K1  What is behind COMMIT is in the sink: `write` resolves when the rows are durable there.
 * K2  What is parked is not asked to be written. Each event is asked about once a transaction.
 * K3  Rows are made again when they are written: held are those of one run of events, never of the whole transaction.
 */
import type { Sink, SinkRefusal, SinkRow } from '@sluice/sink'
import { sinkRowsOf } from '@sluice/sink'
import type { BatchEvent } from './batch.ts'
import type { EventOpener, OpenedEvents } from './claimed-values.ts'
import type { Refusal } from './refusal.ts'

/** The sink refused rows when they were written: the transaction is to be tried again with `refusals`. */
export class RowsRefusedBySink extends Error {
  override readonly name = 'RowsRefusedBySink'
  /** By event id. */
  readonly refusals: ReadonlyMap<string, Refusal>

  constructor(refusals: ReadonlyMap<string, Refusal>) {
    super(`a sink refused ${refusals.size} rows`)
    this.refusals = refusals
  }
}

/** Runs a transaction, and again without the events that a sink refused when it was to write them: each time there are fewer. */
export async function withoutRefused<Result>(
  attempt: (refused: ReadonlyMap<string, Refusal>) => Promise<Result>,
  rollBack: () => Promise<unknown>,
): Promise<Result> {
  const refused = new Map<string, Refusal>()
  for (;;) {
    try {
      return await attempt(refused)
    } catch (error) {
      if (!(error instanceof RowsRefusedBySink)) throw error
      const known = refused.size
      for (const [eventId, refusal] of error.refusals) refused.set(eventId, refusal)
      if (refused.size === known) throw error
      await rollBack()
    }
  }
}

export class SinkWrites {
  readonly #sink: Sink | null
  readonly #open: EventOpener
  /** What the sink said of an event; null: it can hold it. */
  readonly #said = new Map<string, Refusal | null>()

  /** @param refused Events that the sink refused in an earlier attempt of the transaction. */
  constructor(sink: Sink | null, open: EventOpener, refused: ReadonlyMap<string, Refusal>) {
    this.#sink = sink
    this.#open = open
    for (const [eventId, refusal] of refused) this.#said.set(eventId, refusal)
  }

  /** Opens events, and refuses those that the sink can not hold. */
  get opener(): EventOpener {
    const sink = this.#sink
    return sink === null ? this.#open : (items) => this.#checked(sink, items)
  }

  /**
   * Writes events that took effect, in position order.
   *
   * @throws RowsRefusedBySink; SluiceError SLU-5101, SLU-5102 of the sink
   */
  async write(items: readonly BatchEvent[]): Promise<void> {
    if (this.#sink === null) return
    for await (const opened of this.#open(items.filter(hasSink))) {
      // Its value was there when it was asked about.
      if (opened.kind === 'refused') throw new RowsRefusedBySink(new Map([[opened.item.event.eventId, opened.refusal]]))
      const rows = opened.items.flatMap((item) => rowsOf(item).rows)
      const refusals = rows.length === 0 ? [] : await this.#sink.write(rows)
      if (refusals.length > 0) throw new RowsRefusedBySink(new Map(refusals.map((r) => [r.eventId, refusalOf(r)])))
    }
  }

  async *#checked(sink: Sink, items: readonly BatchEvent[]): AsyncGenerator<OpenedEvents> {
    for await (const opened of this.#open(items)) {
      if (opened.kind === 'refused') {
        yield opened
        continue
      }
      await this.#ask(sink, opened.items)
      let ready: BatchEvent[] = []
      for (const item of opened.items) {
        const refusal = this.#said.get(item.event.eventId) ?? null
        if (refusal === null) {
          ready.push(item)
          continue
        }
        if (ready.length > 0) yield { kind: 'ready', items: ready }
        ready = []
        yield { kind: 'refused', item, refusal }
      }
      if (ready.length > 0) yield { kind: 'ready', items: ready }
    }
  }

  async #ask(sink: Sink, items: readonly BatchEvent[]): Promise<void> {
    const asked = items.filter((item) => hasSink(item) && !this.#said.has(item.event.eventId))
    const rows: SinkRow[] = []
    for (const item of asked) {
      const mapped = rowsOf(item)
      this.#said.set(item.event.eventId, mapped.refusal)
      rows.push(...mapped.rows)
    }
    if (rows.length === 0) return
    for (const refusal of await sink.refusals(rows)) this.#said.set(refusal.eventId, refusalOf(refusal))
  }
}

function hasSink({ route }: BatchEvent): boolean {
  return route?.kind === 'table' && route.table.sink !== undefined
}

function rowsOf({ route, event }: BatchEvent): { readonly rows: readonly SinkRow[]; readonly refusal: Refusal | null } {
  const table = route?.kind === 'table' ? route.table.sink : undefined
  if (table === undefined) return { rows: [], refusal: null }
  const mapped = sinkRowsOf(table, event)
  return 'rows' in mapped ? { rows: mapped.rows, refusal: null } : { rows: [], refusal: refusalOf(mapped.refusal) }
}

function refusalOf({ code, table, column, message }: SinkRefusal): Refusal {
  return { code: code ?? 'SLU-5104', projection: `sink ${table}`, sqlState: null, table, column, constraint: null, message }
}
