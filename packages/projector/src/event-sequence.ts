/**
 * Applies events in position order: in sets, and in ever smaller ones where the database refuses, down to the single event
 * that is bad (decision 0008). Everything happens inside the caller's transaction.
 *
 * S1  Only an event that was refused alone, after everything before it was applied, is parked.
 * S2  A set that was refused left nothing: it ran under a savepoint.
 * S3  Handlers meet their events in order; mappings of the same events are written before them as sets.
 * S4  Claimed values are there only while their events are written; what is split or parked is taken without them.
 * S5  Deferred constraints are checked before the sequence ends, so that COMMIT can not fail because of them.
 */
import type { ClientBase } from 'pg'
import type { BatchEvent } from './batch.ts'
import type { EventOpener } from './claimed-values.ts'
import { hasHandlers, mappedEvents } from './handler-run.ts'
import type { ParkingLot } from './parking-lot.ts'
import { RefusedError, refusedIn } from './refusal.ts'
import type { WaveWriter } from './wave-writer.ts'
import { type Wave, planWaves } from './wave.ts'

export class EventSequence {
  readonly #client: ClientBase
  readonly #writer: WaveWriter
  readonly #lot: ParkingLot
  readonly #open: EventOpener
  #savepoints = 0

  constructor(client: ClientBase, writer: WaveWriter, lot: ParkingLot, open: EventOpener) {
    this.#client = client
    this.#writer = writer
    this.#lot = lot
    this.#open = open
  }

  /**
   * Applies events and checks the deferred constraints; where one is violated, or a run with handlers is refused, source commit
   * by source commit, and within one by halves. The caller has set all constraints to deferred.
   */
  async apply(events: readonly BatchEvent[]): Promise<void> {
    if (events.length === 0) return
    const mark = this.#lot.mark
    const refused = await this.#attempt(async () => {
      if (events.length > 1 && events.some(hasHandlers)) await this.#applyHandlerRun(events)
      else await this.#applyWaves(events)
      await this.#checkDeferred()
    })
    if (!refused) return
    this.#lot.rewind(mark)
    const [only] = events
    if (only && events.length === 1) return this.#lot.park(only, refused.refusal)
    const middle = commitBoundary(events) ?? events.length >> 1
    await this.apply(events.slice(0, middle))
    await this.apply(events.slice(middle))
  }

  /** Mappings first, as sets, then the handlers, each event in order. */
  async #applyHandlerRun(events: readonly BatchEvent[]): Promise<void> {
    const ready = this.#lot.isEmpty ? events : this.#queueBlocked(events)
    for await (const items of this.#opened(mappedEvents(ready))) {
      for (const wave of planWaves(items)) await this.#writer.write(wave)
    }
    for await (const items of this.#opened(ready.filter(hasHandlers))) {
      for (const item of items) await this.#writer.write({ kind: 'handlers', events: [item], inner: null })
    }
  }

  /** Events with their values, run by run; refuses them all where one has none. */
  async *#opened(events: readonly BatchEvent[]): AsyncGenerator<readonly BatchEvent[]> {
    for await (const opened of this.#open(events)) {
      if (opened.kind === 'refused') throw new RefusedError(opened.refusal)
      yield opened.items
    }
  }

  async #applyWaves(events: readonly BatchEvent[]): Promise<void> {
    for await (const opened of this.#open(events)) {
      if (opened.kind === 'ready') await this.#applyOpened(opened.items)
      else for (const item of this.#queueBlocked([opened.item])) await this.#lot.park(item, opened.refusal)
    }
  }

  async #applyOpened(events: readonly BatchEvent[]): Promise<void> {
    for (const wave of planWaves(events)) {
      if (wave.events.every((item) => this.#lot.blockerOf(item) === null)) {
        await this.#applyWave(wave)
      } else {
        for (const ready of planWaves(this.#queueBlocked(wave.events))) await this.#applyWave(ready)
      }
    }
  }

  /** Queues events behind the parked ones of their aggregates and returns the others. */
  #queueBlocked(events: readonly BatchEvent[]): readonly BatchEvent[] {
    return events.filter((item) => {
      const blocker = this.#lot.blockerOf(item)
      if (blocker !== null) this.#lot.queue(item, blocker)
      return blocker === null
    })
  }

  async #applyWave(wave: Wave): Promise<void> {
    const refused = await this.#attempt(() => this.#writer.write(wave))
    if (!refused) return
    const first = wave.events[0]
    if (wave.events.length === 1) return this.#lot.park(first, refused.refusal)
    const events = wave.kind === 'truncate' ? this.#writer.childrenFirst(wave.events) : wave.events
    const middle = events.length >> 1
    await this.#applyWaves(events.slice(0, middle))
    await this.#applyWaves(events.slice(middle))
  }

  async #checkDeferred(): Promise<void> {
    try {
      await this.#client.query('SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED')
    } catch (error) {
      throw refusedIn('deferred constraints', error)
    }
  }

  /** Runs work under a savepoint; a refusal is undone and returned, any other error is thrown. */
  async #attempt(work: () => Promise<void>): Promise<RefusedError | null> {
    const name = `sluice_${(this.#savepoints += 1)}`
    await this.#client.query(`SAVEPOINT ${name}`)
    try {
      await work()
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error
      await this.#client.query(`ROLLBACK TO SAVEPOINT ${name}; RELEASE SAVEPOINT ${name}`)
      return error
    }
    await this.#client.query(`RELEASE SAVEPOINT ${name}`)
    return null
  }
}

/** Where a source commit ends nearest to the middle; null if all events are of one commit. */
function commitBoundary(events: readonly BatchEvent[]): number | null {
  const middle = events.length >> 1
  for (let distance = 0; distance <= middle; distance++) {
    for (const at of [middle - distance, middle + distance]) {
      const before = events[at - 1]
      const after = events[at]
      if (before && after && before.event.commitLsn !== after.event.commitLsn) return at
    }
  }
  return null
}
