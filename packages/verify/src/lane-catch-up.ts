/** Brings everything of a lane below an LSN through reader, relay and the held projectors, which stand there. */
import {
  BEFORE_FIRST,
  HEARTBEAT_PREFIX,
  type LaneId,
  type Lsn,
  type PositionNumber,
  type SluiceError,
  formatLsn,
  isSluiceError,
  parseLsn,
} from '@sluice/core'
import { type PostgresTarget, withConnection } from '@sluice/postgres'
import { type EventReader, durableLsnOf } from '@sluice/store'
import type { LaneDefinition, SystemDefinition } from '@sluice/system'
import type { Client } from 'pg'
import { notApplied, readerBehind, stillLoading } from './barrier-not-reached.ts'
import { type LaneProgress, laneProgress } from './lane-progress.ts'
import type { ProjectorBarrier } from './projector-barrier.ts'
import type { VerifyLimits } from './verify-limits.ts'
import type { OnVerifyProgress } from './verify-progress.ts'
import { type VerifyTargets, sourceTarget } from './verify-targets.ts'
import { waitForProgress } from './wait-for-progress.ts'

export interface CatchUpOptions {
  readonly system: SystemDefinition
  readonly targets: VerifyTargets
  readonly limits: VerifyLimits
  readonly onProgress: OnVerifyProgress
  readonly signal: AbortSignal
}

export interface ReachedLane {
  readonly definition: LaneDefinition
  readonly lane: LaneId
  /** Last position of the lane's commits below the LSN. */
  readonly position: PositionNumber
}

export class LaneCatchUp {
  readonly #options: CatchUpOptions
  readonly #pipeline: Client
  readonly #reader: EventReader
  /** The question that was asked last. Several wait at once, and a connection takes one statement after the other. */
  #asked: Promise<unknown> = Promise.resolve()

  /** @param pipeline Connection to the pipeline database; the caller closes it, and the reader. */
  constructor(options: CatchUpOptions, pipeline: Client, reader: EventReader) {
    this.#options = options
    this.#pipeline = pipeline
    this.#reader = reader
  }

  progress(lane: LaneDefinition): Promise<LaneProgress> {
    const { targets, system } = this.#options
    const answer = this.#asked.then(() => laneProgress(this.#pipeline, targets.pipeline, system.name, lane.name))
    this.#asked = answer.catch(() => undefined)
    return answer
  }

  /**
   * Waits until a lane was made and its initial load is stored, bounded: there is nothing to compare before, and nobody needs
   * to be held for it.
   *
   * @throws SluiceError SLU-3002 if no reader makes the lane; SLU-6003 if the load stands still
   */
  async begun(lane: LaneDefinition): Promise<void> {
    const look = async (): Promise<LaneProgress | SluiceError> => {
      try {
        return await this.progress(lane)
      } catch (error) {
        if (isSluiceError(error, 'LANE_UNKNOWN')) return error
        throw error
      }
    }
    await waitForProgress({
      look,
      isReached: (found) => !isSluiceError(found) && found.record.phase === 'streaming',
      measure: (found) => (isSluiceError(found) ? '' : `${found.record.phase} ${found.record.position}`),
      tooLate: (found) => (isSluiceError(found) ? found : stillLoading(found)),
      ...this.#bounds(),
    })
  }

  /** @throws SluiceError SLU-6003 naming the stage that stands */
  async reach(definition: LaneDefinition, lsn: Lsn, barriers: readonly ProjectorBarrier[]): Promise<ReachedLane> {
    const { lane } = (await this.#stored(definition, lsn)).record
    const position = await this.#reader.positionBelow(lane, lsn)
    const consumers = barriers.filter((barrier) => barrier.lanes.includes(lane))
    await settled(consumers.map((barrier) => barrier.move(lane, position)))
    await settled(consumers.map((barrier) => this.#applied(barrier, definition, lane, position)))
    return { definition, lane, position }
  }

  /** End of the WAL of a lane's source: everything that is committed now is below. */
  async walEnd(lane: LaneDefinition): Promise<Lsn> {
    const { rows } = await this.#onSource(lane, (client) =>
      client.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn'),
    )
    return parseLsn(rows[0]!.lsn)
  }

  async #stored(lane: LaneDefinition, lsn: Lsn): Promise<LaneProgress> {
    const { onProgress } = this.#options
    await this.#emitHeartbeat(lane)
    return waitForProgress({
      look: async () => loaded(await this.progress(lane)),
      isReached: ({ record }) => durableLsnOf(record) >= lsn,
      measure: ({ record }) => String(durableLsnOf(record)),
      tooLate: (progress, ms) => readerBehind(progress, lsn, ms),
      onMoved: ({ record }) => {
        const at = formatLsn(durableLsnOf(record))
        onProgress({ phase: 'waiting', lane: lane.name, stage: 'reader', at, goal: formatLsn(lsn) })
      },
      ...this.#bounds(),
    })
  }

  async #applied(barrier: ProjectorBarrier, lane: LaneDefinition, id: LaneId, goal: PositionNumber): Promise<void> {
    const { onProgress } = this.#options
    await waitForProgress({
      look: async () => ({
        service: barrier.service,
        lane: lane.name,
        applied: (await barrier.look()).get(id)?.applied ?? BEFORE_FIRST,
        published: (await this.progress(lane)).published,
      }),
      isReached: ({ applied }) => applied >= goal,
      measure: ({ applied, published }) => `${applied}/${published}`,
      tooLate: (standing, ms) => notApplied(standing, goal, ms),
      onMoved: ({ applied }) => {
        const stage = `projector ${barrier.service}`
        onProgress({ phase: 'waiting', lane: lane.name, stage, at: String(applied), goal: String(goal) })
      },
      ...this.#bounds(),
    })
  }

  #bounds(): { pollMs: number; stallMs: number; totalMs: number; signal: AbortSignal } {
    const { limits, signal } = this.#options
    return { pollMs: limits.pollMs, stallMs: limits.stallMs, totalMs: limits.catchUpMs, signal }
  }

  /** Moves the WAL on, so that an idle source's reader gets past the LSN that is waited for. */
  async #emitHeartbeat(lane: LaneDefinition): Promise<void> {
    await this.#onSource(lane, (client) =>
      client.query('SELECT pg_logical_emit_message(false, $1, $2)', [HEARTBEAT_PREFIX, 'verify']),
    )
  }

  async #onSource<T>(lane: LaneDefinition, work: (client: Client) => Promise<T>): Promise<T> {
    const target: PostgresTarget = sourceTarget(this.#options.targets, lane)
    return withConnection(target, { applicationName: 'sluice verify', statementTimeoutMs: 10_000 }, work)
  }
}

/** Waits for all, also when one fails: nothing may still run when barriers are released and sessions closed. */
export async function settled<T>(work: readonly Promise<T>[]): Promise<T[]> {
  const outcomes = await Promise.allSettled(work)
  return outcomes.map((outcome) => {
    if (outcome.status === 'fulfilled') return outcome.value
    throw outcome.reason instanceof Error ? outcome.reason : new Error(String(outcome.reason))
  })
}

function loaded(progress: LaneProgress): LaneProgress {
  if (progress.record.phase !== 'streaming') throw stillLoading(progress)
  return progress
}
