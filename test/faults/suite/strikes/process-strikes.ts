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
const PASSES_MAX = 10
/** What a piece waits on the way to a process that is to be killed. */
const LINE_MS = 25
const BATCHES_MAX = 3
/** Enough for a transaction in progress to be streamed. */
const STREAMED_ROWS = 3_000
const STREAMED_EVERY_MS = 1_000

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

/** The process is started with the point armed; it ends there by itself and is started again without. */
export function killAtPoint(point: FaultPoint): Strike {
  return async (stage, seed) => {
    const random = seed.random()
    const [process = ''] = point.split('.')
    const name = nameOf(stage, process, random)
    const isRare = /keepalive|spool|backfill/.test(point)
    const passesMax = point.startsWith('projector') ? BATCHES_MAX : PASSES_MAX
    const pass = isRare ? 1 : random.between(1, passesMax)
    stage.forgetOwnKill()
    const line = slowLineTo(stage, process)
    await stage.processes.killAndRestart(name, armed(point, pass))
    // A backfill that goes on since an earlier fault may bring the process to the point at once.
    const ended = endAtPoint(stage, name, point)
    if (point.includes('backfill')) await Promise.all([ended, requestBackfill(stage)])
    if (point.includes('spool')) await streamUntil(stage, ended, seed)
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

/** One transaction after the other: one of them may be rolled back, or be a TRUNCATE, which is too small to be streamed. */
async function streamUntil(stage: Stage, ended: Promise<void>, seed: Seed): Promise<void> {
  for (let number = 1, isOver = false; !isOver; number += 1) {
    await stage.orEnd(stage.work.wholeLarge(STREAMED_ROWS, seed.of(`transaction ${number}`)))
    isOver = await Promise.race([ended.then(() => true), delay(STREAMED_EVERY_MS, false)])
  }
}

async function requestBackfill(stage: Stage): Promise<void> {
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
