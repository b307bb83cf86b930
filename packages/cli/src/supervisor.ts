/**
 * Keeps engines running.
 *
 * Each engine goes starting -> running -> (waiting -> starting)* -> stopped | failed. An error whose code says `backoff`
 * or `restart` begins the engine anew, from its stored position, after a delay that doubles up to a bound and has jitter,
 * so that processes that lost one server do not come back in step. An engine that ran well for a while starts again with
 * the first delay. An error that says `never`, or that Sluice does not know, ends all engines and is thrown.
 *
 * S1  An engine never runs twice at once: it is begun again only after its `run` has settled.
 * S2  After the signal, every engine gets `drainTimeoutMs` to finish; then the supervisor gives up on it and says so.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type HealthCheck, type Logger, SluiceError, toSluiceError } from '@sluice/core'

export interface Engine {
  run(signal: AbortSignal): Promise<void>
}

export interface SupervisedEngine {
  /** `reader monolith`, `projector analytics`: in logs, metrics and checks. */
  readonly name: string
  /** Makes the engine; called for every start. */
  readonly create: () => Promise<Engine>
}

export type EngineStateName = 'starting' | 'running' | 'waiting' | 'stopped' | 'failed'

export interface EngineState {
  readonly state: EngineStateName
  readonly since: Date
  /** The last fault, while the engine waits to start again or has failed. */
  readonly error?: SluiceError
}

export interface SupervisorOptions {
  readonly engines: readonly SupervisedEngine[]
  readonly logger: Logger
  readonly onRestart?: (engine: string, error: SluiceError) => void
  /** First delay. @default 250 */
  readonly delayMsMin?: number
  /** Longest delay. @default 30000 */
  readonly delayMsMax?: number
  /** An engine that ran this long has recovered. @default 60000 */
  readonly recoveredAfterMs?: number
  /** Longest time that a clean stop may take. @default 20000 */
  readonly drainTimeoutMs?: number
  /** From 0 to 1; jitter. @default Math.random */
  readonly random?: () => number
}

export interface Supervisor {
  /** Resolves after a clean stop; rejects with the error that ended the engines. */
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
  const stop = new AbortController()
  const all = AbortSignal.any([signal, stop.signal])
  const drained = drainTimer(all, options.drainTimeoutMs ?? 20_000)
  const fatal: SluiceError[] = []
  const settled = Promise.all(
    options.engines.map(async (engine) => {
      try {
        await superviseOne(engine, options, states, all)
      } catch (error) {
        fatal.push(toSluiceError(error))
        stop.abort()
      }
    }),
  )
  const isDrained = await Promise.race([settled.then(() => true), drained.expired.then(() => false)])
  drained.cancel()
  if (fatal[0] !== undefined) throw fatal[0]
  if (!isDrained)
    throw drainError(
      [...states].flatMap(([name, s]) => (s.state === 'stopped' ? [] : [name])),
      options,
    )
}

async function superviseOne(
  engine: SupervisedEngine,
  options: SupervisorOptions,
  states: Map<string, EngineState>,
  signal: AbortSignal,
): Promise<void> {
  const enter = (state: EngineStateName, error?: SluiceError): void => {
    states.set(engine.name, { state, since: new Date(), ...(error ? { error } : {}) })
  }
  const logger = options.logger.child({ component: engine.name })
  let attempt = 0
  while (!signal.aborted) {
    const startedAt = performance.now()
    try {
      const running = await engine.create()
      enter('running')
      await running.run(signal)
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
      attempt = performance.now() - startedAt > (options.recoveredAfterMs ?? 60_000) ? 1 : attempt + 1
      const waitMs = delayMs(attempt, options)
      logger.warn({ error, attempt, waitMs }, 'starts again')
      enter('waiting', error)
      options.onRestart?.(engine.name, error)
      await waitOrAbort(waitMs, signal)
    }
  }
  enter('stopped')
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
