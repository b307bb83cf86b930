/**
 * The work of one assignment: takes complete frames, has them decoded while the batch before is applied, and applies them.
 * Ends when the partitions are taken away or the signal aborts; a transaction that runs is finished first.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type LaneId, type Logger, SluiceError, backoffMs, isSluiceError, partitionName } from '@sluice/core'
import type { KafkaPort } from '@sluice/kafka'
import type { Sink } from '@sluice/sink'
import { type PostgresTarget, faultOf, isConnectionFault, toPostgresError } from '@sluice/postgres'
import { type Barrier, answerBarriers } from './barrier.ts'
import type { Batch } from './batch.ts'
import { BatchPace } from './batch-pace.ts'
import { type BatchOutcome, applyBatch } from './batch-transaction.ts'
import type { ClaimedValues } from './claimed-values.ts'
import type { Assignment, ConsumerSession } from './consumer-session.ts'
import type { EventDecoder } from '@sluice/avro'
import type { LaneSubscription } from './frame-assembler.ts'
import { decodeFrames } from './frame-decoder.ts'
import { assertStillInKafka } from './missing-events.ts'
import { ParkingBreaker } from './parking-breaker.ts'
import type { ProjectionPlan } from './projection-plan.ts'
import type { ProjectorLimits } from './projector-limits.ts'
import type { OnProjectorProgress } from './projector-progress.ts'
import type { ServiceConnection } from './service-connection.ts'
import type { ServicePosition } from './service-position.ts'
import { advanceLane } from './shared-work.ts'

export interface AssignmentWorkOptions {
  readonly assignment: Assignment
  readonly session: ConsumerSession
  readonly connection: ServiceConnection
  readonly plan: ProjectionPlan
  readonly subscriptions: readonly LaneSubscription[]
  readonly target: PostgresTarget
  readonly kafka: KafkaPort
  readonly decoder: EventDecoder
  readonly claims: ClaimedValues
  readonly sink: Sink | null
  readonly limits: ProjectorLimits
  readonly logger: Logger
  readonly onProgress: OnProjectorProgress
}

const FIRST_RETRY_MS = 50
const FIRST_BREAKER_DELAY_MS = 1_000
const MIRROR_EVERY_MS = 1_000

export class AssignmentWork {
  readonly #options: AssignmentWorkOptions
  #position: ServicePosition
  readonly #pace: BatchPace
  /** Batches that are decoded and not applied, by lane; more than one only after one was cut. */
  readonly #waiting = new Map<string, Batch[]>()
  readonly #breakers = new Map<string, ParkingBreaker>()
  /** Lanes that stand still because too many events are refused: when to try again, `performance.now()`. */
  readonly #stopped = new Map<string, { readonly attempt: number; readonly until: number }>()
  /** The batch that is being decoded. */
  #decoding: Promise<Batch> | null = null
  #barriers: readonly Barrier[] = []
  #nextLookAt = 0
  #nextMissingCheckAt = 0
  #awaitedBefore = ''
  #nextMirrorAt = 0

  constructor(options: AssignmentWorkOptions) {
    this.#options = options
    this.#position = options.assignment.position
    this.#pace = new BatchPace(options.limits.transactionMs)
    this.#nextMissingCheckAt = performance.now() + options.limits.missingCheckMs
  }

  async run(signal: AbortSignal): Promise<void> {
    const { session } = this.#options
    while (!signal.aborted && this.#isCurrent) {
      const changed = session.changed
      const isDue = performance.now() >= this.#nextLookAt
      if (isDue) await this.#look(signal)
      // Positions that hold nothing for this service are moved over when nothing else is to be done, not one by one.
      this.#decode(isDue)
      const batch = await this.#nextBatch()
      if (batch) await this.#apply(batch, signal)
      else if (!this.#decoding) await this.#wait(changed, signal)
    }
  }

  get #isCurrent(): boolean {
    return this.#options.session.current === this.#options.assignment
  }

  /** Answers barriers, and looks for events that Kafka no longer has. */
  async #look(signal: AbortSignal): Promise<void> {
    const { limits, assignment, kafka, plan, onProgress } = this.#options
    const before = this.#barriers
    await this.#advance(signal)
    this.#barriers = (await this.#onDatabase(signal, (client) => answerBarriers(client, this.#position))) ?? []
    for (const { lane, applied, isReached } of this.#barriers) {
      const known = before.find((b) => b.lane === lane)
      if (isReached && !(known?.isReached && known.applied === applied)) onProgress({ kind: 'standing', lane, at: applied })
    }
    const now = performance.now()
    this.#nextLookAt = now + (this.#barriers.length > 0 ? limits.barrierPollMs : limits.idlePollMs)
    if (now < this.#nextMissingCheckAt) return
    this.#nextMissingCheckAt = now + limits.missingCheckMs
    const awaited = assignment.assembler.awaited()
    const text = awaited.map(({ end, received }) => `${partitionName(end)}@${received}`).join()
    if (awaited.length > 0 && text === this.#awaitedBefore) await assertStillInKafka(kafka, plan.service, awaited)
    this.#awaitedBefore = text
    onProgress({ kind: 'buffered', bytes: assignment.assembler.heldBytes })
  }

  /** Begins to decode the next batch, of a lane that has none waiting. */
  #decode(takeEmpty: boolean): void {
    if (this.#decoding) return
    const { assignment, session, decoder, plan } = this.#options
    const raw = assignment.assembler.take(takeEmpty, new Set(this.#waiting.keys()))
    if (!raw) return
    session.adjustFlow()
    const decoding = decodeFrames(raw, decoder, plan)
    // It is awaited when the batch before it is applied; until then a failure must not count as unhandled.
    decoding.catch(() => undefined)
    this.#decoding = decoding
  }

  /** The first waiting batch that no barrier holds; takes in the one being decoded if there is no other. */
  async #nextBatch(): Promise<Batch | null> {
    const ready = this.#takeWaiting()
    if (ready || !this.#decoding) return ready
    const decoded = await this.#decoding
    this.#decoding = null
    this.#queueOf(decoded.laneName).push(decoded)
    return this.#takeWaiting()
  }

  #takeWaiting(): Batch | null {
    for (const [laneName, batches] of this.#waiting) {
      const [first] = batches
      if (!first || this.#isHeld(first.lane) || this.#isStopped(laneName)) continue
      batches.shift()
      if (batches.length === 0) this.#waiting.delete(laneName)
      return first
    }
    return null
  }

  #queueOf(laneName: string): Batch[] {
    let queue = this.#waiting.get(laneName)
    if (!queue) {
      queue = []
      this.#waiting.set(laneName, queue)
    }
    return queue
  }

  #isHeld(lane: LaneId): boolean {
    return this.#barriers.some((b) => b.lane === lane && b.isReached)
  }

  async #apply(batch: Batch, signal: AbortSignal): Promise<void> {
    this.#decode(false)
    const { part, rest } = this.#pace.cut(batch)
    const outcome = await this.#transact(part, signal)
    if (outcome instanceof SluiceError) {
      this.#queueOf(batch.laneName).unshift(batch)
      this.#stopLane(batch.laneName, outcome)
      return
    }
    if (!outcome) return
    if (outcome.kind === 'held') {
      this.#queueOf(batch.laneName).unshift(batch)
      this.#nextLookAt = 0
      return
    }
    this.#position = outcome.position
    this.#pace.learn(outcome.applied.applied, outcome.applied.durationMs)
    this.#resumeLane(batch.laneName)
    if (rest) this.#queueOf(batch.laneName).unshift(rest)
    if (outcome.rest) {
      this.#queueOf(batch.laneName).unshift(outcome.rest)
      this.#nextLookAt = 0
    }
    await this.#advance(signal)
    this.#tell(outcome)
    this.#mirror()
  }

  #breakerOf(laneName: string): ParkingBreaker {
    let breaker = this.#breakers.get(laneName)
    if (!breaker) {
      breaker = new ParkingBreaker(this.#options.plan.service, laneName, this.#options.limits)
      this.#breakers.set(laneName, breaker)
    }
    return breaker
  }

  #isStopped(laneName: string): boolean {
    return performance.now() < (this.#stopped.get(laneName)?.until ?? 0)
  }

  /** The lane's batch waits and is tried again by itself; the other lanes go on. */
  #stopLane(laneName: string, error: SluiceError): void {
    const { logger, limits, onProgress } = this.#options
    const attempt = (this.#stopped.get(laneName)?.attempt ?? 0) + 1
    const retryInMs = backoffMs(attempt, { firstMs: FIRST_BREAKER_DELAY_MS, longestMs: limits.breakerDelayMsMax })
    this.#stopped.set(laneName, { attempt, until: performance.now() + retryInMs })
    if (attempt === 1) logger.error({ error, lane: laneName }, 'too many events are refused: the lane stands still')
    onProgress({ kind: 'lane-stopped', laneName, error, retryInMs })
  }

  #resumeLane(laneName: string): void {
    if (!this.#stopped.delete(laneName)) return
    this.#breakers.get(laneName)?.reset()
    this.#options.logger.info({ lane: laneName }, 'the lane goes on')
    this.#options.onProgress({ kind: 'lane-resumed', laneName })
  }

  /**
   * Applies a batch; again and again while the service database is away. Null if it was stopped or lost its partitions; the error
   * if too many events are refused.
   */
  async #transact(batch: Batch, signal: AbortSignal): Promise<BatchOutcome | SluiceError | null> {
    const { plan, limits, connection } = this.#options
    try {
      return await this.#onDatabase(signal, (client, onCommit) =>
        applyBatch(
          client,
          {
            plan,
            statements: connection.statements,
            statementRowsMax: limits.statementRowsMax,
            position: this.#position,
            begin: connection.begin,
            breaker: this.#breakerOf(batch.laneName),
            claims: this.#options.claims,
            sink: this.#options.sink,
            onCommit,
          },
          batch,
        ),
      )
    } catch (error) {
      if (isSluiceError(error, 'TOO_MANY_PARKED')) return error
      // The other projector moved on while this one had not yet heard that its partitions are gone.
      if (isSluiceError(error, 'OFFSETS_MOVED') && (await this.#isRevoked(signal))) return null
      throw error
    }
  }

  /** Where members share the work, one may claim a partition a moment before the other hears that it is gone. */
  async #isRevoked(signal: AbortSignal): Promise<boolean> {
    if (this.#position.owner === null) return !this.#isCurrent
    const { session, limits } = this.#options
    const late = AbortSignal.any([signal, AbortSignal.timeout(limits.revocationMs)])
    while (this.#isCurrent && !late.aborted) await Promise.race([session.changed, pause(limits.idlePollMs, late)])
    return !this.#isCurrent
  }

  /** Of shared work, lets the lanes follow what all members have applied. */
  async #advance(signal: AbortSignal): Promise<void> {
    if (this.#position.owner === null) return
    for (const subscription of this.#options.subscriptions) {
      await this.#onDatabase(signal, (client) => advanceLane(client, subscription))
    }
  }

  /** Runs work on the service's connection; again with growing delays where the fault may pass. Null after a stop. */
  async #onDatabase<Result>(
    signal: AbortSignal,
    work: (client: Awaited<ReturnType<ServiceConnection['client']>>, onCommit: () => void) => Promise<Result>,
  ): Promise<Result | null> {
    const { connection, target, limits, logger, onProgress } = this.#options
    for (let attempt = 1; !signal.aborted && this.#isCurrent; attempt++) {
      const commit = { isSent: false }
      try {
        return await work(await connection.client(), () => {
          commit.isSent = true
        })
      } catch (error) {
        await connection.rollBack()
        // The connection was closed under a statement when the stop took too long.
        if (hasAborted(signal)) return null
        if (connection.statements.giveUpAfter(error)) continue
        // Whether it committed is not known: a new start reads it.
        const isOpen = commit.isSent && isConnectionFault(error)
        const isOfSink = isSluiceError(error, 'SINK_UNREACHABLE')
        if (isOpen || (!isOfSink && faultOf(error) !== 'transient')) throw toPostgresError(error, target)
        const problem = toPostgresError(error, target)
        const waited = isOfSink ? 'the sink' : 'the service database'
        if (attempt === 1) logger.warn({ code: problem.number, why: problem.why }, `${waited} is not ready; trying again`)
        onProgress({ kind: 'retrying', attempt, error: problem })
        await pause(backoffMs(attempt, { firstMs: FIRST_RETRY_MS, longestMs: limits.retryDelayMsMax }), signal)
      }
    }
    return null
  }

  #tell(outcome: Extract<BatchOutcome, { kind: 'applied' }>): void {
    const { logger, onProgress } = this.#options
    for (const { item, refusal, waitsFor } of outcome.parked) {
      const { eventId, aggregateType, aggregateId } = item.event
      const { projection, sqlState, message, code = 'SLU-5020' } = refusal
      onProgress({ kind: 'parked', eventId, projection, sqlState })
      logger.warn({ code, eventId, aggregateType, aggregateId, projection, waitsFor, why: message }, 'an event is parked')
    }
    onProgress({ kind: 'applied', ...outcome.applied })
  }

  #mirror(): void {
    const now = performance.now()
    if (now < this.#nextMirrorAt) return
    this.#nextMirrorAt = now + MIRROR_EVERY_MS
    const { session, logger } = this.#options
    session.mirror(this.#position).catch((error: unknown) => {
      logger.debug({ error: error instanceof SluiceError ? error.number : String(error) }, 'offsets were not shown to the group')
    })
  }

  /** Until something came, or the next look is due. */
  async #wait(changed: Promise<undefined>, signal: AbortSignal): Promise<void> {
    const ms = Math.max(1, this.#nextLookAt - performance.now())
    const due = new AbortController()
    try {
      await Promise.race([changed, pause(ms, AbortSignal.any([signal, due.signal]))])
    } finally {
      due.abort()
    }
  }
}

/** Read anew: it changes while something is awaited. */
function hasAborted(signal: AbortSignal): boolean {
  return signal.aborted
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal })
  } catch {
    // Only the signal ends it early; the caller looks at that itself.
  }
}
