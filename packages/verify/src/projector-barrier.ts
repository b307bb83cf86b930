/**
 * The barrier of one service: rows of `projector_barriers` that its projector obeys.
 *
 *   placed (stop_at NULL)  the projector applies nothing more
 *   moved (stop_at = P)    it applies up to P and stands there
 *   released               the rows are gone
 *
 * B1  The rows expire unless this process renews them: a verify that dies holds nobody for longer than `barrierMs`.
 * B2  Two verifications never share a barrier: a row that is another's is left alone while it is renewed. The holder may have died;
 *     whether it has shows when the row should be renewed, so that nobody waits for longer than `barrierMs`.
 * B3  A row can only be renewed while it is there and has not expired, and its name is never used again: that it is there, in
 *     the snapshot too, proves that the hold was never lost.
 * B4  That the projector really stands is proven by its position in the snapshot itself, never by this row.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type LaneId, type PositionNumber, SluiceError, positionNumber } from '@sluice/core'
import { type PostgresTarget, createPool, sqlStateOf, toPostgresError } from '@sluice/postgres'
import type { Pool } from 'pg'
import { HoldLost } from './hold-lost.ts'
import type { SnapshotSession } from './snapshot-session.ts'
import type { OnVerifyProgress } from './verify-progress.ts'

/** How often a hold of somebody else is looked at. */
const HOLDER_POLL_MS = 100

interface Holder {
  readonly name: string
  /** When the hold ends unless it is renewed. */
  readonly until: string
}

export interface StandingLane {
  readonly applied: PositionNumber
  readonly standing: PositionNumber | null
}

export class ProjectorBarrier {
  readonly service: string
  readonly target: PostgresTarget
  readonly lanes: readonly LaneId[]
  readonly #pool: Pool
  readonly #requestedBy = `verify ${randomUUID()}`
  readonly #barrierMs: number
  readonly #onProgress: OnVerifyProgress
  #renewal: NodeJS.Timeout | undefined
  #renewing: Promise<void> | null = null

  constructor(
    service: { readonly name: string; readonly target: PostgresTarget; readonly lanes: readonly LaneId[] },
    barrierMs: number,
    onProgress: OnVerifyProgress,
  ) {
    this.service = service.name
    this.target = service.target
    this.lanes = service.lanes
    this.#barrierMs = barrierMs
    this.#onProgress = onProgress
    this.#pool = createPool(service.target, { applicationName: 'sluice verify', max: 2, statementTimeoutMs: 10_000 })
  }

  /**
   * Waits for a holder that does not renew its rows any more.
   *
   * @throws SluiceError SLU-5001 if the service lacks Sluice's tables, SLU-6003 if another verification holds it.
   */
  async place(signal: AbortSignal): Promise<void> {
    const giveUpAt = performance.now() + 2 * this.#barrierMs
    let holder: Holder | undefined
    for (;;) {
      const placed = await this.#query<{ lane: number }>(
        `INSERT INTO public.projector_barriers AS b (lane, requested_by, stop_at, expires_at, standing_at)
       SELECT lane, $2, NULL, clock_timestamp() + $3 * interval '1 ms', NULL FROM unnest($1::smallint[]) AS lane
       ON CONFLICT (lane) DO UPDATE SET requested_by = excluded.requested_by, stop_at = NULL,
         expires_at = excluded.expires_at, standing_at = NULL
       WHERE b.expires_at < clock_timestamp() OR b.requested_by = $2
       RETURNING lane`,
        [this.lanes, this.#requestedBy, this.#barrierMs],
      )
      if (placed.length === this.lanes.length) break
      const found = await this.#holder()
      const isRenewed = holder !== undefined && (found?.name !== holder.name || found.until !== holder.until)
      if (found && (isRenewed || performance.now() > giveUpAt)) throw this.#taken(found)
      holder = found
      await delay(HOLDER_POLL_MS, undefined, { signal })
    }
    this.#renewal = setInterval(() => {
      this.#renewing ??= this.#renew().finally(() => (this.#renewing = null))
    }, this.#barrierMs / 5)
  }

  /** Lets the projector run on, up to a position of a lane. @throws HoldLost */
  async move(lane: LaneId, stopAt: PositionNumber): Promise<void> {
    const moved = await this.#query(
      `UPDATE public.projector_barriers SET stop_at = $3, standing_at = NULL WHERE lane = $1 AND requested_by = $2 RETURNING lane`,
      [lane, this.#requestedBy, stopAt],
    )
    if (moved.length === 0) throw new HoldLost(this.service)
  }

  /** How far each lane is applied, and whether the projector says that it stands. @throws HoldLost */
  async look(): Promise<ReadonlyMap<LaneId, StandingLane>> {
    const rows = await this.#query<{ lane: LaneId; applied: string; standing: string | null }>(
      `SELECT b.lane, coalesce(p.applied_position, 0)::text AS applied, b.standing_at::text AS standing
       FROM public.projector_barriers b LEFT JOIN public.projector_positions p ON p.lane = b.lane WHERE b.requested_by = $1`,
      [this.#requestedBy],
    )
    if (rows.length < this.lanes.length) throw new HoldLost(this.service)
    const position = (text: string | null): PositionNumber | null => (text === null ? null : positionNumber(text))
    return new Map(rows.map((r) => [r.lane, { applied: positionNumber(r.applied), standing: position(r.standing) }]))
  }

  /** Proves in the service's snapshot that the projector was held all the time up to it. @throws HoldLost */
  async proveHeld(session: SnapshotSession): Promise<void> {
    const rows = await session.query('SELECT lane FROM public.projector_barriers WHERE requested_by = $1', [this.#requestedBy])
    if (rows.length < this.lanes.length) throw new HoldLost(this.service)
  }

  /** Removes the rows and closes. If that fails they expire by themselves; a warning says when. */
  async release(): Promise<void> {
    clearInterval(this.#renewal)
    await this.#renewing
    try {
      await this.#query('DELETE FROM public.projector_barriers WHERE requested_by = $1', [this.#requestedBy])
    } catch (error) {
      this.#warn(`the projector of ${this.service} goes on by itself in at most ${this.#barrierMs / 1000} s`, error)
    } finally {
      await this.#pool.end()
    }
  }

  async #renew(): Promise<void> {
    try {
      await this.#query(
        `UPDATE public.projector_barriers SET expires_at = clock_timestamp() + $2 * interval '1 ms'
         WHERE requested_by = $1 AND expires_at > clock_timestamp()`,
        [this.#requestedBy, this.#barrierMs],
      )
    } catch (error) {
      this.#warn(`the barrier of ${this.service} could not be renewed`, error)
    }
  }

  #warn(message: string, error: unknown): void {
    this.#onProgress({ phase: 'warning', message: `${message}: ${toPostgresError(error, this.target).message}` })
  }

  async #query<Row extends object>(text: string, values: readonly unknown[]): Promise<Row[]> {
    try {
      const { rows } = await this.#pool.query<Row>(text, [...values])
      return rows
    } catch (error) {
      if (sqlStateOf(error) === '42P01') throw this.#notProvisioned()
      throw toPostgresError(error, this.target)
    }
  }

  #notProvisioned(): SluiceError {
    return new SluiceError('SERVICE_NOT_PROVISIONED', {
      what: `the database of service "${this.service}" is not prepared`,
      why: `${this.target.display} has no table projector_barriers`,
      ways: ['sluice provision'],
    })
  }

  /** Who holds a lane of the service. */
  async #holder(): Promise<Holder | undefined> {
    const [holder] = await this.#query<Holder>(
      `SELECT requested_by AS name, expires_at::text AS until FROM public.projector_barriers
       WHERE lane = ANY ($1::smallint[]) AND requested_by <> $2 ORDER BY lane LIMIT 1`,
      [this.lanes, this.#requestedBy],
    )
    return holder
  }

  #taken(holder: Holder): SluiceError {
    return new SluiceError('BARRIER_NOT_REACHED', {
      what: `the projector of service "${this.service}" can not be held`,
      why: `"${holder.name}" holds it, up to ${holder.until} unless it is renewed`,
      ways: [`sluice verify    again, when the other verification has ended`],
    })
  }
}
