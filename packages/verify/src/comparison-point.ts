/**
 * Brings every service to one known place and opens the snapshots there.
 *
 *   held      every projector stands wherever it is
 *   placed    LSN L and snapshot S of the monolith are known; the reader has stored all below L, up to position P
 *   reached   every projector applied exactly up to P; then, round by round, what services wrote into their outboxes
 *   open      a snapshot of every service is open; the projectors are released at once
 *
 * P1  A service's snapshot is taken only while its projector stands; its own position in that very snapshot is the proof.
 * P2  Whatever happens, the barriers are released; if this process dies they expire.
 */
import {
  BEFORE_FIRST,
  HEARTBEAT_PREFIX,
  type LaneId,
  type Lsn,
  type PositionNumber,
  SluiceError,
  formatLsn,
  parseLsn,
  positionNumber,
  silentLogger,
} from '@sluice/core'
import { type PostgresTarget, connect, toPostgresError } from '@sluice/postgres'
import { type EventReader, createEventReader, durableLsnOf } from '@sluice/store'
import { type LaneDefinition, MONOLITH_LANE, type SystemDefinition, lanesOf, subscriptionsOf } from '@sluice/system'
import type { Client } from 'pg'
import { movedOn, notApplied, notStanding, readerBehind, stillLoading } from './barrier-not-reached.ts'
import { type LaneProgress, laneProgress } from './lane-progress.ts'
import { ProjectorBarrier } from './projector-barrier.ts'
import { SnapshotSession } from './snapshot-session.ts'
import { type SourceSnapshot, takeSourceSnapshot } from './source-snapshot.ts'
import type { VerifyLimits } from './verify-limits.ts'
import type { OnVerifyProgress } from './verify-progress.ts'
import type { LanePoint, SourcePoint } from './verify-report.ts'
import { waitForProgress } from './wait-for-progress.ts'

export interface VerifyTargets {
  readonly monolith: PostgresTarget
  readonly pipeline: PostgresTarget
  readonly services: Readonly<Record<string, PostgresTarget>>
}

export interface ServicePoint {
  readonly session: SnapshotSession
  readonly lanes: readonly LanePoint[]
  readonly parked: number
}

/** Open snapshots of all databases, of one place in each source. */
export interface ComparisonPoint {
  readonly sources: readonly SourcePoint[]
  /** Sessions under the monolith's snapshot; a service's comparison takes one at a time. */
  readonly monolith: readonly SnapshotSession[]
  readonly services: ReadonlyMap<string, ServicePoint>
  readonly heldMs: number
  readonly close: () => Promise<void>
}

export interface PointOptions {
  readonly system: SystemDefinition
  readonly services: readonly string[]
  readonly targets: VerifyTargets
  readonly limits: VerifyLimits
  readonly onProgress: OnVerifyProgress
  readonly signal: AbortSignal
}

/** @throws SluiceError SLU-6003 if a stage does not come to the point in time, SLU-2025, SLU-3002, SLU-5001 */
export async function openComparisonPoint(options: PointOptions): Promise<ComparisonPoint> {
  const pipeline = await connect(options.targets.pipeline, { applicationName: 'sluice verify', statementTimeoutMs: 30_000 })
  const reader = createEventReader(options.targets.pipeline, { logger: silentLogger })
  try {
    return await new PointSeeker(options, pipeline, reader).seek()
  } finally {
    await Promise.all([pipeline.end(), reader.close()])
  }
}

interface ReachedLane {
  readonly definition: LaneDefinition
  readonly lane: LaneId
  readonly position: PositionNumber
}

class PointSeeker {
  readonly #options: PointOptions
  readonly #pipeline: Client
  readonly #reader: EventReader
  readonly #sessions: SnapshotSession[] = []

  constructor(options: PointOptions, pipeline: Client, reader: EventReader) {
    this.#options = options
    this.#pipeline = pipeline
    this.#reader = reader
  }

  async seek(): Promise<ComparisonPoint> {
    const heldAt = performance.now()
    const barriers = await this.#barriers()
    try {
      await this.#hold(barriers)
      const { monolith, lsn } = await this.#openMonolith()
      const reached = new Map<string, ReachedLane>()
      const lanes = lanesOf(this.#options.system)
      for (const lane of lanes.filter((l) => l.name === MONOLITH_LANE))
        reached.set(lane.name, await this.#reach(lane, lsn, barriers))
      // An event that a service wrote because of another's may need as many rounds as there are outboxes.
      const outboxes = lanes.filter((l) => l.name !== MONOLITH_LANE && barriers.some((b) => this.#reads(b, l)))
      for (let round = 0; round < outboxes.length; round += 1) {
        for (const lane of outboxes) reached.set(lane.name, await this.#reach(lane, await this.#walEnd(lane), barriers))
      }
      const services = await this.#openServices(barriers, reached)
      const sources = [{ source: this.#options.targets.monolith.name, lsn: formatLsn(lsn) }]
      return { sources, monolith, services, heldMs: await this.#release(barriers, heldAt), close: () => this.#close() }
    } catch (error) {
      await Promise.all(barriers.map((barrier) => barrier.release()))
      await this.#close()
      throw error
    }
  }

  async #barriers(): Promise<ProjectorBarrier[]> {
    const { system, services, targets, limits, onProgress } = this.#options
    const barriers: ProjectorBarrier[] = []
    for (const name of services) {
      const lanes = await Promise.all(subscriptionsOf(system, name).map(({ lane }) => this.#progress(lane)))
      const target = serviceTarget(targets, name)
      barriers.push(new ProjectorBarrier({ name, target, lanes: lanes.map((l) => l.record.lane) }, limits.barrierMs, onProgress))
    }
    return barriers
  }

  #progress(lane: LaneDefinition): Promise<LaneProgress> {
    const { targets, system } = this.#options
    return laneProgress(this.#pipeline, targets.pipeline, system.name, lane.name)
  }

  #reads(barrier: ProjectorBarrier, lane: LaneDefinition): boolean {
    return subscriptionsOf(this.#options.system, barrier.service).some((s) => s.lane.name === lane.name)
  }

  async #hold(barriers: readonly ProjectorBarrier[]): Promise<void> {
    const { limits, signal, onProgress } = this.#options
    onProgress({ phase: 'holding', services: barriers.map((b) => b.service) })
    await settled(barriers.map((barrier) => barrier.place()))
    await settled(
      barriers.map((barrier) =>
        waitForProgress({
          look: () => barrier.look(),
          isReached: (lanes) => barrier.lanes.every((lane) => lanes.get(lane)?.standing != null),
          measure: (lanes) => barrier.lanes.map((lane) => String(lanes.get(lane)?.applied)).join(),
          tooLate: (_lanes, ms) => notStanding(barrier.service, ms),
          pollMs: limits.pollMs,
          stallMs: limits.standMs,
          totalMs: limits.catchUpMs,
          signal,
        }),
      ),
    )
  }

  async #openMonolith(): Promise<{ monolith: readonly SnapshotSession[]; lsn: Lsn }> {
    const { targets, limits, signal, services, onProgress } = this.#options
    const source: SourceSnapshot = await takeSourceSnapshot(targets.monolith, limits.slotMs, signal)
    try {
      const wanted = Math.max(1, Math.min(limits.concurrency, services.length))
      const opening = Array.from({ length: wanted }, () => this.#open(targets.monolith, source.snapshot))
      const monolith = await settled(opening)
      onProgress({ phase: 'snapshot', source: targets.monolith.name, lsn: formatLsn(source.lsn) })
      return { monolith, lsn: source.lsn }
    } finally {
      await source.close()
    }
  }

  async #open(target: PostgresTarget, snapshot?: string): Promise<SnapshotSession> {
    const { signal } = this.#options
    const session = await SnapshotSession.open(target, { signal, ...(snapshot === undefined ? {} : { snapshot }) })
    this.#sessions.push(session)
    return session
  }

  /** Stores, publishes and applies everything of a lane below an LSN; its services stand there. */
  async #reach(definition: LaneDefinition, lsn: Lsn, barriers: readonly ProjectorBarrier[]): Promise<ReachedLane> {
    const { lane } = (await this.#stored(definition, lsn)).record
    const position = await this.#reader.positionBelow(lane, lsn)
    const consumers = barriers.filter((barrier) => barrier.lanes.includes(lane))
    await settled(consumers.map((barrier) => barrier.move(lane, position)))
    await settled(consumers.map((barrier) => this.#applied(barrier, definition, lane, position)))
    return { definition, lane, position }
  }

  async #stored(lane: LaneDefinition, lsn: Lsn): Promise<LaneProgress> {
    const { limits, signal, onProgress } = this.#options
    await this.#emitHeartbeat(lane)
    return waitForProgress({
      look: async () => loaded(await this.#progress(lane)),
      isReached: ({ record }) => durableLsnOf(record) >= lsn,
      measure: ({ record }) => String(durableLsnOf(record)),
      tooLate: (progress, ms) => readerBehind(progress, lsn, ms),
      onMoved: ({ record }) => {
        const at = formatLsn(durableLsnOf(record))
        onProgress({ phase: 'waiting', lane: lane.name, stage: 'reader', at, goal: formatLsn(lsn) })
      },
      pollMs: limits.pollMs,
      stallMs: limits.stallMs,
      totalMs: limits.catchUpMs,
      signal,
    })
  }

  async #applied(barrier: ProjectorBarrier, lane: LaneDefinition, id: LaneId, goal: PositionNumber): Promise<void> {
    const { limits, signal, onProgress } = this.#options
    await waitForProgress({
      look: async () => ({
        service: barrier.service,
        lane: lane.name,
        applied: (await barrier.look()).get(id)?.applied ?? null,
        published: (await this.#progress(lane)).published,
      }),
      isReached: ({ applied }) => applied !== null && applied >= goal,
      measure: ({ applied, published }) => `${applied}/${published}`,
      tooLate: (standing, ms) => notApplied(standing, goal, ms),
      onMoved: ({ applied }) => {
        const stage = `projector ${barrier.service}`
        onProgress({ phase: 'waiting', lane: lane.name, stage, at: String(applied), goal: String(goal) })
      },
      pollMs: limits.pollMs,
      stallMs: limits.stallMs,
      totalMs: limits.catchUpMs,
      signal,
    })
  }

  /** Moves the WAL on, so that an idle source's reader gets past the LSN that is waited for. */
  async #emitHeartbeat(lane: LaneDefinition): Promise<void> {
    await this.#onSource(lane, (client) =>
      client.query('SELECT pg_logical_emit_message(false, $1, $2)', [HEARTBEAT_PREFIX, 'verify']),
    )
  }

  async #walEnd(lane: LaneDefinition): Promise<Lsn> {
    const { rows } = await this.#onSource(lane, (client) =>
      client.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn()::text AS lsn'),
    )
    return parseLsn(rows[0]!.lsn)
  }

  async #onSource<T>(lane: LaneDefinition, work: (client: Client) => Promise<T>): Promise<T> {
    const { targets } = this.#options
    const target = lane.source === 'monolith' ? targets.monolith : serviceTarget(targets, lane.source.service)
    const client = await connect(target, { applicationName: 'sluice verify', statementTimeoutMs: 10_000 })
    try {
      return await work(client)
    } catch (error) {
      throw toPostgresError(error, target)
    } finally {
      await client.end()
    }
  }

  async #openServices(
    barriers: readonly ProjectorBarrier[],
    reached: ReadonlyMap<string, ReachedLane>,
  ): Promise<ReadonlyMap<string, ServicePoint>> {
    const points = await settled(
      barriers.map(async (barrier): Promise<[string, ServicePoint]> => {
        const session = await this.#open(barrier.target)
        const lanes = [...reached.values()].filter((r) => barrier.lanes.includes(r.lane))
        await proveStanding(session, barrier, lanes)
        const [row] = await session.query<{ parked: number }>('SELECT count(*)::integer AS parked FROM public.parked_events')
        return [
          barrier.service,
          { session, lanes: lanes.map((l) => ({ lane: l.definition.name, position: l.position })), parked: row?.parked ?? 0 },
        ]
      }),
    )
    return new Map(points)
  }

  async #release(barriers: readonly ProjectorBarrier[], heldAt: number): Promise<number> {
    await Promise.all(barriers.map((barrier) => barrier.release()))
    const heldMs = Math.round(performance.now() - heldAt)
    this.#options.onProgress({ phase: 'released', heldMs })
    return heldMs
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#sessions.map((session) => session.close()))
  }
}

/** Waits for all, also when one fails: nothing may still run when barriers are released and sessions closed. */
async function settled<T>(work: readonly Promise<T>[]): Promise<T[]> {
  const outcomes = await Promise.allSettled(work)
  return outcomes.map((outcome) => {
    if (outcome.status === 'fulfilled') return outcome.value
    throw outcome.reason instanceof Error ? outcome.reason : new Error(String(outcome.reason))
  })
}

/** Promise 11: the snapshot itself says which position it is of. */
async function proveStanding(session: SnapshotSession, barrier: ProjectorBarrier, lanes: readonly ReachedLane[]): Promise<void> {
  const rows = await session.query<{ lane: number; applied: string }>(
    'SELECT lane, applied_position::text AS applied FROM public.projector_positions',
  )
  const applied = new Map(rows.map((row) => [row.lane, positionNumber(row.applied)]))
  for (const { lane, position, definition } of lanes) {
    const at = applied.get(lane) ?? BEFORE_FIRST
    if (at !== position) throw movedOn({ service: barrier.service, lane: definition.name, applied: at, published: at }, position)
  }
}

export function serviceTarget(targets: VerifyTargets, service: string): PostgresTarget {
  const target = targets.services[service]
  if (target) return target
  throw new SluiceError('CONFIG_MISSING', {
    what: `the database of service "${service}" is not known`,
    why: `SLUICE_${service.toUpperCase()}_URL is not set`,
    ways: [`export SLUICE_${service.toUpperCase()}_URL='postgresql://user:password@host:5432/database'`],
  })
}

function loaded(progress: LaneProgress): LaneProgress {
  if (progress.record.phase !== 'streaming') throw stillLoading(progress)
  return progress
}
