/**
 * Hears of new events: LISTEN on a connection of its own. It is an ear only; whoever waits has a poll behind it, so a
 * notification that is lost costs the poll interval and nothing else. A connection that broke is opened again by the next
 * `open`.
 */
import type { LaneId, Logger } from '@sluice/core'
import { type PostgresTarget, connect, toPostgresError } from '@sluice/postgres'
import type { Client } from 'pg'

export const EVENTS_CHANNEL = 'sluice_events'

export interface Ear {
  /** Resolves at a notification, after the time-out, when the signal aborts, or when the ear is closed. */
  readonly heard: Promise<undefined>
  close(): void
}

export class LaneListener {
  readonly #target: PostgresTarget
  readonly #logger: Logger
  readonly #waiting = new Map<string, Set<() => void>>()
  #client: Promise<Client> | null = null

  constructor(target: PostgresTarget, logger: Logger) {
    this.#target = target
    this.#logger = logger
  }

  /** @throws SluiceError SLU-2001 to SLU-2003 */
  async open(): Promise<void> {
    this.#client ??= this.#listen()
    try {
      await this.#client
    } catch (error) {
      this.#client = null
      throw error
    }
  }

  /** Begins to listen for a lane at once; what is heard before the caller awaits it counts. */
  listen(lane: LaneId, timeoutMs: number, signal: AbortSignal): Ear {
    const waiting = this.#waitingFor(String(lane))
    const { promise: heard, resolve } = Promise.withResolvers<undefined>()
    const wake = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', wake)
      waiting.delete(wake)
      resolve(undefined)
    }
    const timer = setTimeout(wake, timeoutMs)
    waiting.add(wake)
    signal.addEventListener('abort', wake, { once: true })
    if (signal.aborted) wake()
    return { heard, close: wake }
  }

  async close(): Promise<void> {
    for (const waiting of this.#waiting.values()) for (const wake of [...waiting]) wake()
    const client = await this.#client?.catch(() => null)
    this.#client = null
    await client?.end()
  }

  #waitingFor(lane: string): Set<() => void> {
    const waiting = this.#waiting.get(lane) ?? new Set()
    this.#waiting.set(lane, waiting)
    return waiting
  }

  async #listen(): Promise<Client> {
    const client = await connect(this.#target, { applicationName: 'sluice listen' })
    client.on('notification', ({ payload }) => {
      for (const wake of [...(this.#waiting.get(payload ?? '') ?? [])]) wake()
    })
    client.on('end', () => {
      this.#client = null
      this.#logger.debug({ component: 'store' }, 'the connection that listens for events ended')
    })
    try {
      await client.query(`LISTEN ${EVENTS_CHANNEL}`)
      return client
    } catch (error) {
      await client.end()
      throw toPostgresError(error, this.#target)
    }
  }
}
