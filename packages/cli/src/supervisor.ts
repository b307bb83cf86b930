/**
 * Keeps engines running.
 *
 * Each engine goes starting -> running -> (waiting -> running)* -> stopped | failed. It runs once it has shown progress, not
 * when it was begun: until then its last fault stands. An error whose code says `backoff` or `restart` begins the engine anew,
 * from its stored position, after a delay that doubles up to a bound and has jitter, so that processes that lost one server
 * do not come back in step. An engine that ran well for a while starts again with the first delay. An error that says
 * `never`, or that Sluice does not know, ends that engine: the stores are between it and the others, which go on.
 *
 * S1  An engine never runs twice at once: it is begun again only after its `run` has settled.
 * S2  After the signal, every engine gets `drainTimeoutMs` to finish; then the supervisor gives up on it and says so.
 * S3  An engine that failed is not forgotten: when all have ended, its error is the supervisor's.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type HealthCheck, type Logger, SluiceError, toSluiceError } from '@sluice/core'

export interface Engine {
  run(signal: AbortSignal): Promise<void>
}

/** What an engine shows of itself while it runs. */
export interface EngineSigns {
  /** It does its work; called as often as it likes. */
  progress(): void
  /** It can not go on for now, and tries again by itself. */
  trouble(error: SluiceError): void
}

export interface SupervisedEngine {
  /** `reader monolith`, `projector analytics`: in logs, metrics and checks. */
  readonly name: string
  /** Makes the engine; called for every start. */
  readonly create: (signs: EngineSigns) => Promise<Engine>
}

export type EngineStateName = 'starting' | 'running' | 'waiting' | 'stopped' | 'failed'

export interface EngineState {
  readonly state: EngineStateName
  /** When it entered the state; a further fault while it waits is no new beginning. */
  readonly since: Date
  /** The last fault, from when it came until the engine runs again, or for good once it has failed. */
  readonly error?: SluiceError
}

export interface SupervisorOptions {
  readonly engines: readonly SupervisedEngine[]
  readonly logger: Logger
  /** Called whenever an engine enters a state, also one that it was in before with another fault. */
  readonly onState?: (engine: string, state: EngineState) => void
  /** Called when an engine is to be begun again. */
  readonly onRestart?: (engine: string, error: SluiceError) => void
  /** First delay. @default 250 */
  readonly delayMsMin?: number
  /** Longest delay. @default 30000 */
  readonly delayMsMax?: number
  /** An engine that ran this long, from its first progress, has recovered. @default 60000 */
  readonly recoveredAfterMs?: number
  /** Longest time that a clean stop may take. @default 20000 */
  readonly drainTimeoutMs?: number
  /** From 0 to 1; jitter. @default Math.random */
  readonly random?: () => number
}

export interface Supervisor {
  /** Resolves after a clean stop of every engine; rejects, when all have ended, with the error of the first that failed. */
  run(signal: AbortSignal): Promise<void>
  readonly states: ReadonlyMap<string, EngineState>
  checks(): readonly HealthCheck[]
}

export function createSupervisor(options: SupervisorOptions): Supervisor {
  const states = new Map<string, EngineState>(options.engines.map((e) => [e.name, { state: 'starting', since: new Date() }]))
  return {
    states,
    checks: () => [...states].map(([name, state]) => engineCheck(name, state)),
    run: (signal) => superviseAll(options, states, signal),
  }
}

async function superviseAll(options: SupervisorOptions, states: Map<string, EngineState>, signal: AbortSignal): Promise<void> {
  const drained = drainTimer(signal, options.drainTimeoutMs ?? 20_000)
  const failures: SluiceError[] = []
  const settled = Promise.all(
    options.engines.map(async (engine) => {
      try {
        await superviseOne(engine, options, states, signal)
      } catch (error) {
        failures.push(toSluiceError(error))
        tellWhatGoesOn(options.logger, engine.name, states)
      }
    }),
  )
  const isDrained = await Promise.race([settled.then(() => true), drained.expired.then(() => false)])
  drained.cancel()
  const [failure] = failures
  if (isDrained) {
    if (failure !== undefined) throw failure
    return
  }
  const late = drainError(unended(states), options)
  if (failure === undefined) throw late
  options.logger.error({ error: late }, 'ends all the same')
  throw failure
}

/** Names of the engines that have not ended. */
function unended(states: ReadonlyMap<string, EngineState>): readonly string[] {
  return [...states].flatMap(([name, { state }]) => (state === 'failed' || state === 'stopped' ? [] : [name]))
}

function tellWhatGoesOn(logger: Logger, failed: string, states: ReadonlyMap<string, EngineState>): void {
  const others = unended(states)
  if (others.length > 0) logger.warn({ failed, others }, 'the process is degraded: the other engines go on')
}

async function superviseOne(
  engine: SupervisedEngine,
  options: SupervisorOptions,
  states: Map<string, EngineState>,
  signal: AbortSignal,
): Promise<void> {
  const enter = (name: EngineStateName, error?: SluiceError): void => {
    const before = states.get(engine.name)
    const since = before?.state === name ? before.since : new Date()
    const state: EngineState = { state: name, since, ...(error ? { error } : {}) }
    states.set(engine.name, state)
    options.onState?.(engine.name, state)
  }
  const logger = options.logger.child({ component: engine.name })
  let attempt = 0
  while (!signal.aborted) {
    const start = new EngineStart(() => states.get(engine.name)?.state, enter)
    try {
      await runOnce(engine, start, signal)
      if (!isStopping(signal)) throw endedByItself(engine.name)
    } catch (thrown) {
      const error = toSluiceError(thrown)
      // While stopping, connections are closed under an engine's feet: a fault that may pass is part of that.
      if (error.retry === 'never') {
        logger.error({ error }, 'stopped by an error that does not pass')
        enter('failed', error)
        throw error
      }
      if (isStopping(signal)) break
      attempt = start.ranForMs > (options.recoveredAfterMs ?? 60_000) ? 1 : attempt + 1
      const waitMs = delayMs(attempt, options)
      logger.warn({ error, attempt, waitMs }, 'starts again')
      enter('waiting', error)
      options.onRestart?.(engine.name, error)
      await waitOrAbort(waitMs, signal)
    }
  }
  enter('stopped')
}

/** The start is over with the run, before any wait for the next one: a late sign must not make an engine run that has failed. */
async function runOnce(engine: SupervisedEngine, start: EngineStart, signal: AbortSignal): Promise<void> {
  try {
    const running = await engine.create(start)
    await running.run(signal)
  } finally {
    start.end()
  }
}

/** One start of an engine: turns its signs into states. A sign that comes after its end tells nothing any more. */
class EngineStart implements EngineSigns {
  readonly #state: () => EngineStateName | undefined
  readonly #enter: (state: EngineStateName, error?: SluiceError) => void
  #firstProgressAt: number | null = null
  #isOver = false

  constructor(state: () => EngineStateName | undefined, enter: (state: EngineStateName, error?: SluiceError) => void) {
    this.#state = state
    this.#enter = enter
  }

  /** Since its first progress; 0 without any. */
  get ranForMs(): number {
    return this.#firstProgressAt === null ? 0 : performance.now() - this.#firstProgressAt
  }

  progress(): void {
    if (this.#isOver) return
    this.#firstProgressAt ??= performance.now()
    if (this.#state() !== 'running') this.#enter('running')
  }

  trouble(error: SluiceError): void {
    if (!this.#isOver) this.#enter('waiting', error)
  }

  end(): void {
    this.#isOver = true
  }
}

/** A function, since the compiler takes `aborted` for constant over an await. */
function isStopping(signal: AbortSignal): boolean {
  return signal.aborted
}

/** Doubles with each attempt up to the bound; half of it is jitter. */
export function delayMs(attempt: number, options: Pick<SupervisorOptions, 'delayMsMin' | 'delayMsMax' | 'random'>): number {
  const bound = Math.min(options.delayMsMax ?? 30_000, (options.delayMsMin ?? 250) * 2 ** (attempt - 1))
  return Math.round(bound / 2 + (bound / 2) * (options.random ?? Math.random)())
}

async function waitOrAbort(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal })
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

function drainTimer(signal: AbortSignal, timeoutMs: number): { readonly expired: Promise<void>; cancel(): void } {
  const expired = Promise.withResolvers<undefined>()
  let timer: NodeJS.Timeout | undefined
  const start = (): void => {
    timer = setTimeout(() => expired.resolve(undefined), timeoutMs)
  }
  if (signal.aborted) start()
  else signal.addEventListener('abort', start, { once: true })
  return {
    expired: expired.promise,
    cancel: () => {
      signal.removeEventListener('abort', start)
      clearTimeout(timer)
    },
  }
}

function endedByItself(name: string): SluiceError {
  return new SluiceError('UNEXPECTED', {
    what: `${name} ended by itself`,
    why: 'its run came to an end without an error and without being asked to stop',
    ways: ['run again with --log-level debug and report what it logs'],
  })
}

function drainError(names: readonly string[], options: SupervisorOptions): SluiceError {
  return new SluiceError('UNEXPECTED', {
    what: `${names.join(', ')} did not stop`,
    why: `${options.drainTimeoutMs ?? 20_000} ms passed since the signal; nothing is lost, the next start goes on from the stored position`,
    ways: ['sluice status'],
  })
}

function engineCheck(name: string, { state, since, error }: EngineState): HealthCheck {
  const status = state === 'running' || state === 'stopped' ? 'ok' : state === 'failed' ? 'failed' : 'warning'
  return {
    name: `engine.${name.replaceAll(' ', '.')}`,
    status,
    summary: error ? `${state}: ${error.number} ${error.what}` : state,
    since: since.toISOString(),
    ...(error ? { cause: error.why, fix: error.ways, code: error.number } : {}),
  }
}
