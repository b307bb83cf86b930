/** kill -9 of a process: at a random moment, or at a point of its code. */
import { setTimeout as delay } from 'node:timers/promises'
import type { FaultPoint } from '@sluice/core'
import type { Random } from '@sluice/workload'
import { runSluice } from '../../../harness/sluice-process.ts'
import type { TcpProxy } from '../../../harness/tcp-proxy.ts'
import { markProgress } from '../progress-mark.ts'
import type { Seed } from '../seed.ts'
import type { Stage } from '../stage.ts'
import type { Strike } from '../strike.ts'

const MOMENT_MS_MAX = 500
/** A projector may have a large batch before it, which a constraint refuses and which it applies one by one. */
const PASS_LIMIT_MS = 180_000
/** Of a reader, which passes its points several times a second. */
const PASSES_MAX = 10
/** Of others: they have about one batch a second behind a slow line. */
const BATCHES_MAX = 3
/** What a piece waits on the way to a process that is to be killed. */
const LINE_MS = 25
/** Enough for a transaction in progress to be streamed. */
const STREAMED_ROWS = 3_000
const REPEATED_EVERY_MS = 1_000

export function killAtRandom(process: 'reader' | 'relay' | 'projector'): Strike {
  return async (stage, seed) => {
    const random = seed.random()
    const name = nameOf(stage, process, random)
    const line = slowLineTo(stage, process)
    await delay(random.between(0, MOMENT_MS_MAX))
    const mark = await markProgress(stage)
    await stage.processes.kill(name)
    line.pass()
    stage.processes.restart(name)
    return { mark, victim: name, place: name }
  }
}

/** What brings a process to a point. It may be there before that is done. */
export type Bring = (stage: Stage, seed: Seed, ended: Promise<void>) => Promise<void>

export interface PointOptions {
  /** Whose projector passes it. @default any service's */
  readonly service?: string
  /** @default nothing: the workload brings it there */
  readonly bring?: Bring
  /** @default 10 for a reader, 3 for others */
  readonly passesMax?: number
  /** Settings of the process up to its end. @default none */
  readonly env?: Readonly<Record<string, string>>
}

/** The process is started with the point armed; it ends there by itself and is started again without. */
export function killAtPoint(point: FaultPoint, { service, bring, env, ...options }: PointOptions = {}): Strike {
  return async (stage, seed) => {
    const random = seed.random()
    const [process = ''] = point.split('.')
    const name = service === undefined ? nameOf(stage, process, random) : `projector ${service}`
    const { passesMax = process === 'reader' ? PASSES_MAX : BATCHES_MAX } = options
    const pass = random.between(1, passesMax)
    stage.forgetOwnKill()
    const line = slowLineTo(stage, process)
    // A projector that left its group is replaced at once; of one that was killed the group would wait for the session's end.
    await stage.processes.stopAndRestart(name, { ...env, ...armed(point, pass) })
    const ended = endAtPoint(stage, name, point)
    if (bring) await Promise.all([ended, bring(stage, seed, ended)])
    await ended
    line.pass()
    const mark = await markProgress(stage, stage.ownKillAt())
    stage.processes.restart(name)
    return { mark, victim: name, place: `${name}, pass ${pass}` }
  }
}

/** So that something is on its way at any moment: an idle pipeline would pass on each transaction before the next one commits. */
function slowLineTo(stage: Stage, process: string): TcpProxy {
  const line = stage.proxies[process === 'reader' ? 'monolith' : 'kafka']
  line.delay(LINE_MS)
  return line
}

/** Once may not do: what is written may be undone, or be met by the process that was there before. */
export function repeated(work: (stage: Stage, seed: Seed) => Promise<void>): Bring {
  return async (stage, seed, ended) => {
    for (let number = 1, isOver = false; !isOver; number += 1) {
      await Promise.race([ended, work(stage, seed.of(`transaction ${number}`))])
      isOver = await Promise.race([ended.then(() => true), delay(REPEATED_EVERY_MS, false)])
    }
  }
}

/** A transaction that is streamed; it may be rolled back, or be a TRUNCATE, which is too small for that. */
export const streamed = repeated((stage, seed) => stage.orEnd(stage.work.wholeLarge(STREAMED_ROWS, seed)))

/** One that goes on since an earlier fault may bring the process there too. */
export const backfill: Bring = async (stage) => {
  const { code, stderr } = await runSluice(['backfill', 'start', 'opportunities'], stage.system.env)
  if (code !== 0) throw new Error(`no backfill could be asked for: ${stderr}`)
}

export function armed(point: FaultPoint, pass: number): Readonly<Record<string, string>> {
  return { SLUICE_TEST_FAULT_POINT: `${point}:${pass}` }
}

export async function endAtPoint(stage: Stage, name: string, point: FaultPoint): Promise<void> {
  const exit = await stage.endOf(name, PASS_LIMIT_MS).catch((error: unknown) => {
    throw new Error(`at ${point}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  })
  if (exit.signal !== 'SIGKILL') throw new Error(`${name} ended with ${exit.code ?? exit.signal ?? 'nothing'}, not at ${point}`)
}

function nameOf(stage: Stage, process: string, random: Random): string {
  return process === 'projector' ? `projector ${stage.anyService(random)}` : process
}
