/**
 * Waits until the initial load is stored and every event stored by then is applied in every service, and shows how far each
 * stage is. What is stored later is not waited for: the workload goes on.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { SluiceError } from '@sluice/core'
import type { CommandContext } from '../command.ts'
import { formatCount, formatSeconds } from '../table.ts'
import { type StagePositions, type StageWatcher, hasReached } from './stage-watcher.ts'

const POLL_MS = 250
/** Without any movement for so long, something is wrong. */
const STALL_MS = 60_000

/**
 * @param meanwhile Work that must not end before.
 * @throws SluiceError SLU-6003 if nothing moves for a minute; the signal's reason if it aborts.
 */
export async function waitForStages(
  context: CommandContext,
  watcher: StageWatcher,
  title: string,
  meanwhile: Promise<unknown> | null,
): Promise<void> {
  const phase = context.progress.phase(title)
  const startedAt = performance.now()
  let [seen, movedAt] = ['', startedAt]
  let storedBefore: bigint | null = null
  let goal: StagePositions['wanted'] | null = null
  for (;;) {
    const at = await watcher.read()
    const now = performance.now()
    storedBefore ??= at.stored
    const storedSince = at.stored - storedBefore
    if (at.isLoaded) goal ??= at.wanted
    if (goal !== null && hasReached(at, goal)) {
      phase.done(`${formatCount(at.stored)} events${rate(storedSince, now - startedAt)}`)
      return
    }
    phase.update(describe(at, rate(storedSince, now - startedAt)))
    const state = [at.stored, at.published, ...Object.values(at.applied)].join()
    if (state !== seen) [seen, movedAt] = [state, now]
    if (now - movedAt > STALL_MS) {
      phase.failed()
      throw stalled(at, now - movedAt)
    }
    const tick = delay(POLL_MS, undefined, { signal: context.signal })
    await (meanwhile === null ? tick : Promise.race([tick, meanwhile.then(() => tick)]))
  }
}

function describe({ stored, published, applied, wanted }: StagePositions, storedRate: string): string {
  const slowest = slowestOf({ applied, wanted })
  return [
    `stored ${formatCount(stored)}${storedRate}`,
    `published ${formatCount(published)}`,
    slowest === null ? 'nothing applied yet' : `${slowest.service} is ${formatCount(slowest.behind)} behind`,
  ].join(', ')
}

function slowestOf({ applied, wanted }: Pick<StagePositions, 'applied' | 'wanted'>): { service: string; behind: bigint } | null {
  const lags = Object.entries(wanted).map(([service, position]) => ({ service, behind: position - (applied[service] ?? 0n) }))
  return lags.reduce<{ service: string; behind: bigint } | null>(
    (most, lag) => (most && most.behind >= lag.behind ? most : lag),
    null,
  )
}

/** Of what was stored while waiting; nothing where there was nothing to measure. */
function rate(events: bigint, elapsedMs: number): string {
  return events === 0n || elapsedMs < 1_000 ? '' : ` (${formatCount(Math.round((Number(events) * 1000) / elapsedMs))}/s)`
}

function stalled(at: StagePositions, stalledMs: number): SluiceError {
  const services = Object.entries(at.applied).map(
    ([service, position]) => `${service} ${position} of ${at.wanted[service] ?? 0n}`,
  )
  return new SluiceError('BARRIER_NOT_REACHED', {
    what: 'the events do not arrive in the services',
    why: `nothing moved for ${formatSeconds(stalledMs / 1000)}: stored ${at.stored}, published ${at.published}, ${services.join(', ')}`,
    ways: ['sluice demo --keep --debug', 'sluice demo --log-level debug'],
  })
}
