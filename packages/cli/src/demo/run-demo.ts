/**
 * The course of the demo:
 *
 *   servers -> sample data -> provision -> processes and workload start -> the load arrives in every service
 *   -> the workload goes on alone for a while, which is measured -> the workload stops -> verify -> count -> clean up
 *
 * Whatever ends it (an error, a signal, a child that ends by itself), its processes, databases and servers go with it. One that
 * is kept cleans up after the signal that comes once its outcome was shown.
 */
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { SluiceError, isSluiceError } from '@sluice/core'
import type { SystemDefinition } from '@sluice/system'
import type { CommandContext } from '../command.ts'
import { ChildCommand } from './child-command.ts'
import { DemoCourse, type DemoOptions, type DemoOutcome } from './demo-course.ts'
import { type DemoPlace, openDemoPlace } from './demo-place.ts'
import { type DemoPlan, demoProcesses, planDemo } from './demo-plan.ts'
import { loadDemo } from './load-demo.ts'

/** The system that is shown where none is named. */
const DEFAULT_SYSTEM = 'medcontracthub'

export interface DemoRun extends DemoOptions {
  /** Leaves everything running until a signal comes. */
  readonly isKept: boolean
}

export interface DemoEnd extends DemoOutcome {
  /** Set if it is kept: says how to look at it, waits for the signal, and cleans up. */
  readonly stay?: () => Promise<void>
}

/** Says what `runDemo` would do. @throws SluiceError SLU-1001 if there is no such demo, SLU-1005 */
export async function dryRunDemo({ globals, environment }: CommandContext, options: DemoOptions): Promise<DemoPlan> {
  return planDemo(await loadDemo(globals.system ?? DEFAULT_SYSTEM), options, environment)
}

export async function runDemo(context: CommandContext, options: DemoRun): Promise<DemoEnd> {
  const startedAt = performance.now()
  const name = context.globals.system ?? DEFAULT_SYSTEM
  const loaded = await loadDemo(name)
  const { system } = loaded
  const starting = context.progress.phase('starting servers')
  const place = await openDemoPlace(context.environment, system, starting)
  starting.done()
  const children: ChildCommand[] = []
  const cleanUp = async (): Promise<void> => {
    const cleaning = context.progress.phase('cleaning up')
    await Promise.all(children.map((child) => child.stop()))
    await place.close()
    cleaning.done()
  }
  let isStaying = false
  try {
    const demo = new DemoCourse(context, options, loaded, place)
    await demo.prepare()
    children.push(...startChildren(name, system, place))
    const failures = children.map(async (child) => Promise.reject(await child.failure()))
    const outcome = await Promise.race([demo.run(startedAt), ...failures])
    if (!options.isKept) return outcome
    isStaying = true
    return { ...outcome, stay: () => Promise.race([stayUntilSignal(context, name, place), ...failures]).finally(cleanUp) }
  } catch (error) {
    throw withErrorsOf(children, error)
  } finally {
    if (!isStaying) await cleanUp()
  }
}

/** A stage that does not move says why in its log: other engines of its process go on, so that it does not end. */
function withErrorsOf(children: readonly ChildCommand[], error: unknown): unknown {
  if (!isSluiceError(error, 'BARRIER_NOT_REACHED')) return error
  const why = [error.why, ...children.flatMap((child) => child.errors())].join('\n')
  return new SluiceError(error.code, { what: error.what, why, ways: error.ways, cause: error })
}

/** Every stage as a process of its own. */
function startChildren(name: string, system: SystemDefinition, place: DemoPlace): readonly ChildCommand[] {
  const environment = { ...place.environment, SLUICE_SYSTEM: name }
  return demoProcesses(Object.keys(system.services)).map((args) => new ChildCommand(args, environment, place.folder))
}

async function stayUntilSignal(context: CommandContext, name: string, place: DemoPlace): Promise<void> {
  const { signal } = context
  if (signal.aborted) return
  const file = path.join(place.folder, 'demo.env')
  // Quoted, so that a shell reads it as Node does.
  const lines = Object.entries({ ...place.environment, SLUICE_SYSTEM: name }).map(([variable, value]) => `${variable}='${value}'`)
  writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 })
  context.say(`everything goes on running; look at it from another terminal:
  set -a; . ${file}; set +a
  npx sluice status
  npx sluice events --limit 10
  npx sluice verify
  tail -f ${place.folder}/*.log
Ctrl-C ends it and removes everything`)
  await new Promise<void>((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
