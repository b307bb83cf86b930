/** What makes a backfill wait: the relay's lag, the source's load, and its own pace. */
import { type BackfillRun, unpublishedEvents } from '@sluice/store'
import type { ClientBase } from 'pg'

export interface BrakeServers {
  /** The pipeline database. */
  readonly store: ClientBase
  readonly source: ClientBase
}

/** Why it has to wait now, with the measured value; null if it may go on. */
export async function reasonToWait(run: BackfillRun, { store, source }: BrakeServers): Promise<string | null> {
  const { lagEventsMax, activeSessionsMax } = run.throttle
  const lag = await unpublishedEvents(store, run.lane)
  if (lag > BigInt(lagEventsMax)) return `${lag} events are not published yet, ${lagEventsMax} may be`
  const sessions = await activeSessions(source)
  if (sessions > activeSessionsMax) return `${sessions} sessions are at work in the source, ${activeSessionsMax} may be`
  return null
}

/** Without the right to read statistics of others (`pg_read_all_stats`) only sessions of the same role are counted. */
async function activeSessions(source: ClientBase): Promise<number> {
  const { rows } = await source.query<{ sessions: number }>(
    `SELECT count(*)::int AS sessions FROM pg_stat_activity
     WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid()`,
  )
  return rows[0]!.sessions
}

/** The role of this session, if it counts its own sessions alone; null if it sees those of every role. */
export async function roleBlindForLoad(source: ClientBase): Promise<string | null> {
  const { rows } = await source.query<{ role: string; sees: boolean }>(
    `SELECT current_user AS role, pg_has_role('pg_read_all_stats', 'USAGE') AS sees`,
  )
  return rows[0]!.sees ? null : rows[0]!.role
}

/** Over about how long the pace is averaged, in seconds. */
const AVERAGED_SECONDS = 30

/**
 * Keys a second of late, waiting included: rows and seconds count less the longer ago they are, and not at all once the run's own rate
 * was changed.
 */
export class BackfillPace {
  #rows = 0
  #seconds = 0
  #at: number
  #rateMax: number | null = null

  /** @param now Milliseconds of a clock that never goes back. */
  constructor(now: number) {
    this.#at = now
  }

  /**
   * A chunk begins.
   *
   * @param rateMax Rows a second that the run may take; null: as fast as it goes.
   */
  begins(rateMax: number | null, now: number): void {
    if (rateMax === this.#rateMax) return
    this.#rateMax = rateMax
    this.#rows = 0
    this.#seconds = 0
    this.#at = now
  }

  /** A chunk was passed; gives the pace. */
  passed(rows: number, now: number): number {
    const seconds = Math.max(0.001, (now - this.#at) / 1000)
    const kept = Math.exp(-seconds / AVERAGED_SECONDS)
    this.#rows = this.#rows * kept + rows
    this.#seconds = this.#seconds * kept + seconds
    this.#at = now
    return this.#rows / this.#seconds
  }
}
