/**
 * Whether reads may go to one replica of a service. Each has a watch of its own, so that one which says nothing delays no other.
 *
 *   away (asked for and not answered; not in recovery; of another primary) --answers--> follows
 *   follows: usable while its lag is at most `lagMsMax`
 *
 * W1  What is not proven within `lagMsMax` is not usable, whichever of the two servers does not answer.
 */
import { type Logger, isSluiceError, parseLsn } from '@sluice/core'
import type { DatabaseMetrics } from '@sluice/telemetry'
import type { PoolPlace, ReplicaName } from './connection-pool.ts'
import type { MonitorConnection } from './monitor-connection.ts'
import { ReplicaLag } from './replica-lag.ts'

export type ReplicaState =
  | { readonly kind: 'usable'; readonly lagMs: number }
  | { readonly kind: 'lags'; readonly lagMs: number }
  | { readonly kind: 'away'; readonly why: string }

export interface ReplicaWatchOptions {
  readonly place: PoolPlace & { readonly server: ReplicaName }
  readonly primary: MonitorConnection
  readonly replica: MonitorConnection
  readonly lagMsMax: number
  readonly metrics: DatabaseMetrics
  readonly logger: Logger
}

interface PrimaryAnswer {
  readonly system: string
  readonly lsn: string
}
interface ReplicaAnswer {
  readonly system: string
  readonly lsn: string | null
}

const PRIMARY = 'SELECT system_identifier::text AS system, pg_current_wal_lsn()::text AS lsn FROM pg_control_system()'
const REPLICA = `SELECT system_identifier::text AS system,
    CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()::text END AS lsn FROM pg_control_system()`

export class ReplicaWatch {
  readonly #options: ReplicaWatchOptions
  #lag = new ReplicaLag()
  #away: string | null = 'it was not asked yet'

  constructor(options: ReplicaWatchOptions) {
    this.#options = options
  }

  get state(): ReplicaState {
    if (this.#away !== null) return { kind: 'away', why: this.#away }
    const lagMs = Math.round(this.#lag.lagMs(performance.now()))
    return { kind: lagMs <= this.#options.lagMsMax ? 'usable' : 'lags', lagMs }
  }

  /** A read could not begin there; until the next look it is away. */
  sawAway(why: string): void {
    this.#isAway(why)
  }

  /** Looks at both servers once. A fault is part of the state, and not thrown. */
  async look(): Promise<void> {
    const atMs = performance.now()
    // A primary that does not answer proves nothing: the lag grows until it does.
    const primary = await this.#options.primary.ask<PrimaryAnswer>(PRIMARY).catch(() => null)
    if (primary !== null) this.#lag.primaryAt(atMs, parseLsn(primary.lsn))
    try {
      const { system, lsn } = await this.#options.replica.ask<ReplicaAnswer>(REPLICA)
      if (lsn === null) this.#isAway('it is not in recovery, so it follows no primary')
      else if (primary !== null && primary.system !== system)
        this.#isAway(`it is of system ${system}, the primary of ${primary.system}`)
      else this.#follows(lsn)
    } catch (error) {
      this.#isAway(isSluiceError(error) ? error.why : String(error))
    }
    this.#show()
  }

  #follows(lsn: string): void {
    this.#lag.replayed(parseLsn(lsn))
    if (this.#away !== null) this.#options.logger.info(this.#options.place, 'the replica answers')
    this.#away = null
  }

  #isAway(why: string): void {
    if (this.#away === null) this.#options.logger.warn({ ...this.#options.place, why }, 'the replica is away')
    this.#away = why
    // What comes back may be another copy: what this one had proves nothing.
    this.#lag = new ReplicaLag()
  }

  #show(): void {
    const { metrics, place } = this.#options
    const { state } = this
    if (state.kind === 'away' || !Number.isFinite(state.lagMs)) metrics.replicaLagSeconds.clear({ ...place })
    else metrics.replicaLagSeconds.set({ ...place }, state.lagMs / 1_000)
  }
}
