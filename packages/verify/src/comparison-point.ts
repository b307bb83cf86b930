/**
 * Brings every service to one known place and opens the snapshots there.
 *
 *   begun     every lane was made by its reader, and its initial load is stored
 *   held      every projector stands wherever it is
 *   placed    LSN L and snapshot S of the monolith are known; the reader has stored all below L, up to position P
 *   reached   every projector applied exactly up to P; then the same for the outboxes of services, round by round
 *   open      a snapshot of every service is open; the projectors are released at once
 *
 * P1  A service's snapshot is taken only while its projector stands; its own position in that very snapshot is the proof, and its
 *     barrier there that the projector was never let go in between. Where it was, everything is begun again.
 * P2  Whatever happens, the barriers are released; if this process dies they expire.
 */
import { BEFORE_FIRST, type Lsn, formatLsn, positionNumber, silentLogger } from '@sluice/core'
import { type PostgresTarget, connect } from '@sluice/postgres'
import { createEventReader } from '@sluice/store'
import { type LaneDefinition, subscriptionsOf } from '@sluice/system'
import { holdsLost, movedOn, notStanding } from './barrier-not-reached.ts'
import { type EditedRow, editedRows } from './edited-rows.ts'
import { HoldLost } from './hold-lost.ts'
import { type CatchUpOptions, LaneCatchUp, type ReachedLane, settled } from './lane-catch-up.ts'
import { type PointScope, pointScope, sourceName } from './point-scope.ts'
import { ProjectorBarrier } from './projector-barrier.ts'
import { SnapshotSession } from './snapshot-session.ts'
import { takeSourceSnapshot } from './source-snapshot.ts'
import type { LanePoint, SourcePoint } from './verify-report.ts'
import { serviceTarget, sourceTarget } from './verify-targets.ts'
import { waitForProgress } from './wait-for-progress.ts'

export interface ServicePoint {
  readonly session: SnapshotSession
  readonly lanes: readonly LanePoint[]
  readonly parked: number
  readonly edited: readonly EditedRow[]
}

/** Open snapshots of all databases, of one place in each source. */
export interface ComparisonPoint {
  readonly points: readonly SourcePoint[]
  /**
   * Sessions under the snapshot of each source, by its name: `monolith`, or a service that expectations are asked of. Each
   * has as many as services are compared at once; a comparison has one of each to itself.
   */
  readonly sources: ReadonlyMap<string, readonly SnapshotSession[]>
  readonly services: ReadonlyMap<string, ServicePoint>
  readonly heldMs: number
  readonly close: () => Promise<void>
}

export interface PointOptions extends CatchUpOptions {
  /** Services that are compared. */
  readonly services: readonly string[]
}

/** @throws SluiceError SLU-6003 if a stage does not come to the point in time, SLU-2025, SLU-3002, SLU-5001 */
export async function openComparisonPoint(options: PointOptions): Promise<ComparisonPoint> {
  const pipeline = await connect(options.targets.pipeline, { applicationName: 'sluice verify', statementTimeoutMs: 30_000 })
  const reader = createEventReader(options.targets.pipeline, { logger: silentLogger })
  try {
    for (let attempt = 1; ; attempt++) {
      try {
        return await new PointSeeker(options, new LaneCatchUp(options, pipeline, reader)).seek()
      } catch (error) {
        if (!(error instanceof HoldLost)) throw error
        if (attempt >= options.limits.holdAttemptsMax) throw holdsLost(error.service, attempt)
        options.onProgress({ phase: 'warning', message: `${error.message}; everything is begun again` })
      }
    }
  } finally {
    await Promise.all([pipeline.end(), reader.close()])
  }
}

class PointSeeker {
  readonly #options: PointOptions
  readonly #scope: PointScope
  readonly #catchUp: LaneCatchUp
  readonly #sessions: SnapshotSession[] = []
  readonly #sources = new Map<string, readonly SnapshotSession[]>()
  readonly #points: SourcePoint[] = []

  constructor(options: PointOptions, catchUp: LaneCatchUp) {
    this.#options = options
    this.#scope = pointScope(options.system, options.services)
    this.#catchUp = catchUp
  }

  async seek(): Promise<ComparisonPoint> {
    for (const lane of [this.#scope.monolithLane, ...this.#scope.outboxLanes]) await this.#catchUp.begun(lane)
    const heldAt = performance.now()
    const barriers = await this.#barriers()
    try {
      await this.#hold(barriers)
      const reached = await this.#reachAll(barriers)
      const services = await this.#openServices(barriers, reached)
      const heldMs = await this.#release(barriers, heldAt)
      return { points: this.#points, sources: this.#sources, services, heldMs, close: () => this.#close() }
    } catch (error) {
      await Promise.all(barriers.map((barrier) => barrier.release()))
      await this.#close()
      throw error
    }
  }

  async #barriers(): Promise<ProjectorBarrier[]> {
    const { system, targets, limits, onProgress } = this.#options
    const barriers: ProjectorBarrier[] = []
    for (const name of this.#scope.held) {
      const lanes = []
      for (const { lane } of subscriptionsOf(system, name)) lanes.push((await this.#catchUp.progress(lane)).record.lane)
      barriers.push(new ProjectorBarrier({ name, target: serviceTarget(targets, name), lanes }, limits.barrierMs, onProgress))
    }
    return barriers
  }

  async #hold(barriers: readonly ProjectorBarrier[]): Promise<void> {
    const { limits, signal, onProgress } = this.#options
    onProgress({ phase: 'holding', services: barriers.map((b) => b.service) })
    await settled(barriers.map((barrier) => barrier.place(signal)))
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

  /**
   * First the monolith's lane; then the outboxes, as often as there are some: an event that a service wrote because of
   * another's is there after the next round. In the last one the sources of expectations are opened.
   */
  async #reachAll(barriers: readonly ProjectorBarrier[]): Promise<ReadonlyMap<string, ReachedLane>> {
    const { monolithLane, outboxLanes, sources } = this.#scope
    const reached = new Map<string, ReachedLane>()
    const reach = async (lane: LaneDefinition, lsn: Lsn): Promise<void> => {
      reached.set(lane.name, await this.#catchUp.reach(lane, lsn, barriers))
    }
    await reach(monolithLane, await this.#openSource(monolithLane))
    for (let round = 1; round <= outboxLanes.length; round += 1) {
      for (const lane of outboxLanes) {
        const isSource = round === outboxLanes.length && sources.has(sourceName(lane))
        await reach(lane, isSource ? await this.#openSource(lane) : await this.#catchUp.walEnd(lane))
      }
    }
    return reached
  }

  /** Opens the sessions of a source under one snapshot, and gives the LSN that belongs to it. */
  async #openSource(lane: LaneDefinition): Promise<Lsn> {
    const { targets, limits, signal, onProgress } = this.#options
    const target = sourceTarget(targets, lane)
    const source = await takeSourceSnapshot(target, limits.slotMs, signal)
    try {
      const wanted = Math.max(1, Math.min(limits.concurrency, this.#scope.services.length))
      const sessions = await settled(Array.from({ length: wanted }, () => this.#open(target, source.snapshot)))
      const point = { source: sourceName(lane), lsn: formatLsn(source.lsn) }
      this.#sources.set(point.source, sessions)
      this.#points.push(point)
      onProgress({ phase: 'snapshot', ...point })
      return source.lsn
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

  async #openServices(
    barriers: readonly ProjectorBarrier[],
    reached: ReadonlyMap<string, ReachedLane>,
  ): Promise<ReadonlyMap<string, ServicePoint>> {
    const compared = barriers.filter((barrier) => this.#scope.services.includes(barrier.service))
    const points = await settled(
      compared.map(async (barrier): Promise<[string, ServicePoint]> => {
        const session = await this.#open(barrier.target)
        const lanes = [...reached.values()].filter((r) => barrier.lanes.includes(r.lane))
        await proveStanding(session, barrier, lanes)
        const [row] = await session.query<{ parked: number }>('SELECT count(*)::integer AS parked FROM public.parked_events')
        const at = lanes.map((l) => ({ lane: l.definition.name, position: l.position }))
        return [barrier.service, { session, lanes: at, parked: row?.parked ?? 0, edited: await editedRows(session) }]
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

/**
 * Promise 11: the snapshot itself says which position it is of. Where projectors share a lane, no partition may be further.
 */
async function proveStanding(session: SnapshotSession, barrier: ProjectorBarrier, lanes: readonly ReachedLane[]): Promise<void> {
  await barrier.proveHeld(session)
  const rows = await session.query<{ lane: number; applied: string; furthest: string }>(
    `SELECT lane, applied_position::text AS applied,
       greatest(applied_position, (SELECT max(applied_position) FROM public.consumed_offsets o WHERE o.lane_name = p.lane_name))::text
         AS furthest
     FROM public.projector_positions p`,
  )
  const applied = new Map(rows.map((row) => [row.lane, [positionNumber(row.applied), positionNumber(row.furthest)]]))
  for (const { lane, position, definition } of lanes) {
    for (const at of applied.get(lane) ?? [BEFORE_FIRST]) {
      if (at !== position) {
        throw movedOn({ service: barrier.service, lane: definition.name, applied: at, published: at }, position)
      }
    }
  }
}
