import { SluiceError, silentLogger } from '@sluice/core'
import { describe, expect, test } from 'vitest'
import { type EngineSigns, type SupervisedEngine, type SupervisorOptions, createSupervisor, delayMs } from './supervisor.ts'

const lost = (): SluiceError => new SluiceError('REPLICATION_LOST', { what: 'w', why: 'y', ways: [] })
const gone = (): SluiceError => new SluiceError('SLOT_MISSING', { what: 'w', why: 'y', ways: [] })

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function supervise(
  engines: readonly SupervisedEngine[],
  more: Partial<Pick<SupervisorOptions, 'drainTimeoutMs' | 'onState'>> = {},
) {
  return createSupervisor({ engines, logger: silentLogger, delayMsMin: 1, delayMsMax: 2, ...more })
}

describe('the supervisor', () => {
  test('begins an engine anew after an error that may pass, never twice at once', async () => {
    const stop = new AbortController()
    let [starts, running, runningMax] = [0, 0, 0]
    const engine: SupervisedEngine = {
      name: 'reader monolith',
      create: async () => ({
        run: async (signal) => {
          starts += 1
          running += 1
          runningMax = Math.max(runningMax, running)
          try {
            if (starts < 4) throw lost()
            stop.abort()
            await untilAborted(signal)
          } finally {
            running -= 1
          }
        },
      }),
    }
    const supervisor = supervise([engine])
    await supervisor.run(stop.signal)
    expect({ starts, runningMax }).toEqual({ starts: 4, runningMax: 1 })
    expect(supervisor.states.get('reader monolith')?.state).toBe('stopped')
  })

  test('an error that does not pass ends its engine alone: the others go on, and it is thrown when they have ended', async () => {
    const stop = new AbortController()
    const failed = Promise.withResolvers<undefined>()
    let neighbourStopped = false
    const neighbour: SupervisedEngine = {
      name: 'relay monolith',
      create: async (signs) => ({
        run: async (signal) => {
          signs.progress()
          await untilAborted(signal)
          neighbourStopped = true
        },
      }),
    }
    const broken: SupervisedEngine = {
      name: 'reader monolith',
      create: async () => ({ run: async () => Promise.reject(gone()) }),
    }
    const supervisor = supervise([neighbour, broken], {
      onState: (_engine, { state }) => {
        if (state === 'failed') setImmediate(() => failed.resolve(undefined))
      },
    })
    const running = supervisor.run(stop.signal)
    let isOver = false
    running.catch(() => {
      isOver = true
    })
    await failed.promise
    expect({ isOver, neighbourStopped }).toEqual({ isOver: false, neighbourStopped: false })
    expect(supervisor.states.get('relay monolith')?.state).toBe('running')
    expect(supervisor.checks()).toContainEqual(
      expect.objectContaining({ name: 'engine.reader.monolith', status: 'failed', code: 'SLU-2020' }),
    )
    stop.abort()
    await expect(running).rejects.toMatchObject({ code: 'SLOT_MISSING', exitCode: 3 })
    expect(neighbourStopped).toBe(true)
  })

  test('when every engine has failed nothing is waited for, and the first error is thrown', async () => {
    const broken = (name: string, error: SluiceError): SupervisedEngine => ({ name, create: () => Promise.reject(error) })
    const other = new SluiceError('TOPIC_MISSING', { what: 'w', why: 'y', ways: [] })
    const supervisor = supervise([broken('reader monolith', gone()), broken('relay monolith', other)])
    await expect(supervisor.run(new AbortController().signal)).rejects.toMatchObject({ code: 'SLOT_MISSING' })
  })

  test('an engine runs from its first progress on; until then, and while it tries again by itself, its fault stands', async () => {
    const stop = new AbortController()
    const seen: string[] = []
    let starts = 0
    const engine: SupervisedEngine = {
      name: 'projector orders',
      create: async (signs) => ({
        run: async (signal) => {
          starts += 1
          if (starts === 1) throw lost()
          seen.push(`begun again: ${supervisor.states.get('projector orders')?.error?.code}`)
          signs.progress()
          signs.progress()
          signs.trouble(lost())
          signs.progress()
          stop.abort()
          await untilAborted(signal)
        },
      }),
    }
    const supervisor = supervise([engine], { onState: (_engine, { state }) => seen.push(state) })
    await supervisor.run(stop.signal)
    expect(seen).toEqual(['waiting', 'begun again: REPLICATION_LOST', 'running', 'waiting', 'running', 'stopped'])
  })

  test('a sign that comes late, of an engine that has stopped, does not make it run', async () => {
    const stop = new AbortController()
    let late: EngineSigns | undefined
    const engine: SupervisedEngine = {
      name: 'r',
      create: async (signs) => {
        late = signs
        return { run: async () => stop.abort() }
      },
    }
    const supervisor = supervise([engine])
    await supervisor.run(stop.signal)
    late?.progress()
    expect(supervisor.states.get('r')?.state).toBe('stopped')
  })

  test('a sign that comes late, of an engine that has failed, does not make it run', async () => {
    const stop = new AbortController()
    const seen: string[] = []
    let late: EngineSigns | undefined
    const engine: SupervisedEngine = {
      name: 'projector orders',
      create: async (signs) => {
        late = signs
        return { run: async () => Promise.reject(lost()) }
      },
    }
    const supervisor = createSupervisor({
      engines: [engine],
      logger: silentLogger,
      delayMsMin: 60_000,
      delayMsMax: 60_000,
      onState: (_engine, { state }) => seen.push(state),
      onRestart: () =>
        setImmediate(() => {
          late?.progress()
          late?.trouble(gone())
          stop.abort()
        }),
    })
    await supervisor.run(stop.signal)
    expect(seen).toEqual(['waiting', 'stopped'])
  })

  test('an unknown error does not pass', async () => {
    const broken: SupervisedEngine = { name: 'r', create: async () => Promise.reject(new TypeError('x')) }
    await expect(supervise([broken]).run(new AbortController().signal)).rejects.toMatchObject({ code: 'UNEXPECTED' })
  })

  test('an engine that ends by itself is an error: nothing would run any more', async () => {
    const idle: SupervisedEngine = { name: 'r', create: async () => ({ run: async () => undefined }) }
    await expect(supervise([idle]).run(new AbortController().signal)).rejects.toMatchObject({ code: 'UNEXPECTED' })
  })

  test('stops waiting for an engine that does not stop', async () => {
    const stop = new AbortController()
    const stuck: SupervisedEngine = {
      name: 'stuck',
      create: async () => ({
        run: () => {
          stop.abort()
          return new Promise(() => undefined)
        },
      }),
    }
    await expect(supervise([stuck], { drainTimeoutMs: 10 }).run(stop.signal)).rejects.toThrow(/stuck did not stop/)
  })

  test('a stop during the delay ends it at once', async () => {
    const stop = new AbortController()
    const engine: SupervisedEngine = { name: 'r', create: async () => Promise.reject(lost()) }
    const supervisor = createSupervisor({
      engines: [engine],
      logger: silentLogger,
      delayMsMin: 60_000,
      delayMsMax: 60_000,
      onRestart: () => stop.abort(),
    })
    await supervisor.run(stop.signal)
    expect(supervisor.states.get('r')?.state).toBe('stopped')
  })

  test('delays double up to the bound; half of each is jitter', () => {
    const at = (attempt: number, random: number): number =>
      delayMs(attempt, { delayMsMin: 100, delayMsMax: 1000, random: () => random })
    expect([1, 2, 3, 4, 5, 60].map((n) => at(n, 1))).toEqual([100, 200, 400, 800, 1000, 1000])
    expect(at(3, 0)).toBe(200)
  })
})
