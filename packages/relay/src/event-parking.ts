/**
 * The parking lot of a lane's relay: events that can not be published hold back their own key and nobody else (promise 7).
 *
 * E1  What a Kafka transaction passes over is written down before it is committed. Rows of one that never was committed lie above
 *     the last control record, and the next start removes them.
 * E2  An event that is published late is named by the control record of its transaction, and leaves the lot after the commit and
 *     before the next one: killed between the two, the next start does it.
 * E3  An event waits behind the last parked one of its key before it, and behind a parked truncate of its table: published late, that
 *     would take newer rows with it. A truncate that is published ends the keys of its table: what is parked below it is closed, since a
 *     retry would bring back a row. Applications' own events of the same aggregates are no rows of the table, and stay.
 * E4  Held in memory is a line for each parked event, at most `parkedMax`: then the relay stops at the event, as without a lot. What was
 *     in the lot before it was tried again may always go back.
 */
import {
  type LaneId,
  type PositionNumber,
  SluiceError,
  type StoredEvent,
  aggregateName,
  faultPoint,
  tableAggregateName,
  isSluiceError,
  parseEventData,
} from '@sluice/core'
import { type PostgresTarget, toPostgresError } from '@sluice/postgres'
import {
  type EventReader,
  type RelayParkedDraft,
  type RelayParkedLine,
  closeRelayParked,
  openRelayParking,
  relayRequests,
  removeRelayParked,
  storeRelayParked,
} from '@sluice/store'
import { type LaneDefinition, qualifiedName } from '@sluice/system'
import type { Pool, PoolClient } from 'pg'
import { RefusedEvent } from './refused-event.ts'
import type { RelayStart } from './relay-start.ts'
import { isOwnEvent, isTruncate, isUpdate } from './stored-operation.ts'

export interface EventParkingOptions {
  readonly pool: Pool
  readonly target: PostgresTarget
  readonly lane: LaneId
  readonly definition: LaneDefinition
  readonly parkedMax: number
  readonly onParked: (position: PositionNumber, reason: SluiceError) => void
}

/** How often a relay that has parked events looks for what people ask. */
const REQUEST_POLL_MS = 500
const REQUESTS_AT_ONCE = 500
/** Of memory, as measured: a line with its key, in both maps. */
const LINE_BYTES = 800

interface Line {
  readonly type: string
  readonly ids: readonly string[]
  /** An application's own event: it may carry the aggregate type of a table, but is no row of it. */
  readonly isOwn: boolean
}

export class EventParking {
  readonly #options: EventParkingOptions
  readonly #keys: ReadonlyMap<string, readonly string[]>
  /** The aggregate of each table itself: what a truncate belongs to. */
  readonly #tables: ReadonlyMap<string, string>
  readonly #lines = new Map<PositionNumber, Line>()
  /** Positions of the parked events of an aggregate, in order. */
  readonly #byName = new Map<string, PositionNumber[]>()
  readonly #drafts = new Map<PositionNumber, RelayParkedDraft>()
  /** Positions of closed events, and of the truncate that closed them. */
  readonly #closed = new Map<PositionNumber, PositionNumber>()
  #nextLookAt = 0

  private constructor(options: EventParkingOptions, parked: readonly RelayParkedLine[]) {
    this.#options = options
    const { tables } = options.definition
    this.#keys = new Map(tables.map((table) => [table.aggregateType, table.key]))
    this.#tables = new Map(tables.map((table) => [table.aggregateType, tableAggregateName(qualifiedName(table)).id]))
    for (const { position, aggregateType, aggregateId, otherAggregateId, isOwn } of parked) {
      const ids = otherAggregateId === null ? [aggregateId] : [aggregateId, otherAggregateId]
      this.#remember(position, { type: aggregateType, ids, isOwn })
    }
  }

  static async open(options: EventParkingOptions, start: RelayStart): Promise<EventParking> {
    const { pool, target, lane } = options
    const last = { position: start.position, late: start.record?.late ?? [] }
    return new EventParking(options, await withClient(pool, target, (client) => openRelayParking(client, lane, last)))
  }

  get isEmpty(): boolean {
    return this.#lines.size === 0
  }

  /** Aborts when it is time to look for requests; never while nothing is parked. */
  lookSignal(signal: AbortSignal): AbortSignal {
    return this.isEmpty ? signal : AbortSignal.any([signal, AbortSignal.timeout(REQUEST_POLL_MS)])
  }

  /**
   * Publishes an event by `route`, or parks it, or queues it behind a parked one. `store` then has to be called before the
   * transaction that passes it over is committed.
   *
   * @returns null where it is parked
   * @throws RefusedEvent if the lot is full
   */
  tryEvent<Routed>(event: StoredEvent, route: (event: StoredEvent) => Routed, hasRoom = this.#hasRoom): Routed | null {
    // It was parked by an earlier look at the same commits.
    if (this.#lines.has(event.position)) return null
    const line = this.isEmpty ? null : this.#lineOf(event)
    const blocker = line && this.#blockerOf(event.position, line)
    if (line && blocker !== null) {
      if (!hasRoom) throw new RefusedEvent(event.position, lotFull(this.#options.parkedMax, event.position))
      this.#park(event, line, { waitsFor: blocker, errorCode: null, errorMessage: 'an earlier event of its aggregate is parked' })
      return null
    }
    try {
      const routed = route(event)
      if (!this.isEmpty && isTruncate(event)) this.#close(event)
      return routed
    } catch (error) {
      if (!isSluiceError(error)) throw error
      if (!hasRoom) throw new RefusedEvent(event.position, error)
      const errorMessage = `${error.what}: ${error.why}`
      this.#park(event, line ?? this.#lineOf(event), { waitsFor: null, errorCode: error.number, errorMessage })
      this.#options.onParked(event.position, error)
      return null
    }
  }

  /** Writes down what was parked and closed since the last call. */
  async store(): Promise<void> {
    if (this.#drafts.size === 0 && this.#closed.size === 0) return
    const drafts = [...this.#drafts.values()]
    const closed = [...this.#closed]
    faultPoint('relay.before-parked')
    await this.#withClient(async (client) => {
      await storeRelayParked(client, this.#options.lane, drafts)
      await closeRelayParked(client, this.#options.lane, closed)
    })
    faultPoint('relay.after-parked')
    this.#drafts.clear()
    this.#closed.clear()
  }

  /**
   * Does what people asked for: gives up what is to be skipped, and tries the others again in position order.
   *
   * @returns what can be published now; `published` has to be called after Kafka's commit
   */
  async answerRequests<Routed>(
    reader: EventReader,
    bytesMax: number,
    route: (event: StoredEvent) => Routed,
  ): Promise<readonly { readonly event: StoredEvent; readonly routed: Routed }[]> {
    if (this.isEmpty || performance.now() < this.#nextLookAt) return []
    this.#nextLookAt = performance.now() + REQUEST_POLL_MS
    const { lane } = this.#options
    const requests = await this.#withClient((client) => relayRequests(client, lane, REQUESTS_AT_ONCE))
    // What was answered may still stand there until its transaction is committed.
    const open = requests.filter((r) => this.#lines.has(r.position))
    const skipped = open.flatMap((r) => (r.request === 'skip' ? [r.position] : []))
    await this.#withClient((client) => removeRelayParked(client, lane, skipped, 'skipped'))
    for (const position of skipped) this.#forget(position)
    const late: { event: StoredEvent; routed: Routed }[] = []
    let bytes = 0
    for (const { position, request } of open) {
      if (request === 'skip') continue
      if (bytes > bytesMax) break
      const [event] = await reader.events(lane, (position - 1n) as PositionNumber, position)
      if (!event) continue
      this.#forget(position)
      const routed = this.tryEvent(event, route, true)
      if (routed !== null) late.push({ event, routed })
      bytes += event.eventData.length
    }
    await this.store()
    return late
  }

  /** After the commit of the Kafka transaction that published them late. */
  async published(positions: readonly PositionNumber[]): Promise<void> {
    if (positions.length === 0) return
    faultPoint('relay.late-published')
    await this.#withClient((client) => removeRelayParked(client, this.#options.lane, positions, 'published'))
  }

  get #hasRoom(): boolean {
    return this.#lines.size < this.#options.parkedMax
  }

  #park(event: StoredEvent, line: Line, why: Pick<RelayParkedDraft, 'waitsFor' | 'errorCode' | 'errorMessage'>): void {
    const { position, eventId, aggregateType, aggregateId, eventType, correlationId } = event
    this.#remember(position, line)
    const otherAggregateId = line.ids.find((id) => id !== aggregateId) ?? null
    this.#drafts.set(position, {
      position,
      eventId,
      aggregateType,
      aggregateId,
      otherAggregateId,
      eventType,
      correlationId,
      ...why,
    })
  }

  /** What is parked of the table below a truncate of it can have no effect any more. */
  #close(truncate: StoredEvent): void {
    for (const [position, { type, isOwn }] of [...this.#lines]) {
      if (isOwn || type !== truncate.aggregateType || position >= truncate.position) continue
      this.#forget(position)
      this.#closed.set(position, truncate.position)
    }
  }

  #remember(position: PositionNumber, line: Line): void {
    if (this.#lines.has(position)) return
    this.#lines.set(position, line)
    for (const name of namesOf(line)) {
      const positions = this.#byName.get(name) ?? []
      const isLast = positions.length === 0 || positions.at(-1)! < position
      positions.push(position)
      // Only one that was tried again comes before others.
      if (!isLast) positions.sort((a, b) => (a < b ? -1 : 1))
      this.#byName.set(name, positions)
    }
  }

  #forget(position: PositionNumber): void {
    const line = this.#lines.get(position)
    if (!line) return
    this.#lines.delete(position)
    for (const name of namesOf(line)) {
      const left = (this.#byName.get(name) ?? []).filter((p) => p !== position)
      if (left.length === 0) this.#byName.delete(name)
      else this.#byName.set(name, left)
    }
  }

  #blockerOf(position: PositionNumber, line: Line): PositionNumber | null {
    let last: PositionNumber | null = null
    const ofTable = line.isOwn ? [] : [`${line.type}/${this.#tables.get(line.type)}`]
    for (const name of [...namesOf(line), ...ofTable]) {
      const before = this.#byName.get(name)?.findLast((p) => p < position)
      if (before !== undefined && (last === null || before > last)) last = before
    }
    return last
  }

  /** The event's aggregate, and the other one where a change of key touches two. */
  #lineOf(event: StoredEvent): Line {
    const { aggregateType: type, aggregateId, eventData } = event
    const key = this.#keys.get(type)
    const ofOneKey = { type, ids: [aggregateId], isOwn: isOwnEvent(event) }
    if (!key || !isUpdate(event)) return ofOneKey
    const data = parseEventData(eventData)
    if (data.op !== 'u' || !data.before) return ofOneKey
    const { before, after } = data
    if (!key.some((c) => before[c] !== undefined && before[c] !== after[c])) return ofOneKey
    const ids = [before, after].map((row) => aggregateName(key.map((c) => row[c] ?? '')).id)
    return { ...ofOneKey, ids: [...new Set([aggregateId, ...ids])] }
  }

  #withClient<T>(work: (client: PoolClient) => Promise<T>): Promise<T> {
    return withClient(this.#options.pool, this.#options.target, work)
  }
}

function namesOf({ type, ids }: Line): readonly string[] {
  return ids.map((id) => `${type}/${id}`)
}

function lotFull(parkedMax: number, position: PositionNumber): SluiceError {
  return new SluiceError('RELAY_LOT_FULL', {
    what: `the relay stops before position ${position}, which would have to wait behind a parked event`,
    why: `${parkedMax} events are parked or wait already`,
    ways: [
      'sluice parked list --relay    shows them; retry or skip the first of a key, and start the relay again',
      `export SLUICE_RELAY_PARKED_MAX=${parkedMax * 2}    lets twice as many wait, in ${Math.ceil((parkedMax * 2 * LINE_BYTES) / 2 ** 20)} MiB of memory; start the relay again`,
    ],
  })
}

async function withClient<T>(pool: Pool, target: PostgresTarget, work: (client: PoolClient) => Promise<T>): Promise<T> {
  try {
    const client = await pool.connect()
    try {
      return await work(client)
    } finally {
      client.release()
    }
  } catch (error) {
    throw toPostgresError(error, target)
  }
}
