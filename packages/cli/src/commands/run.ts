/** `sluice run reader|relay|projector|all` */
import { SluiceError } from '@sluice/core'
import { type LaneDefinition, type SystemDefinition, lanesOf } from '@sluice/system'
import { z } from 'zod'
import type { CommandContext, CommandImplementation, CommandInput } from '../command.ts'
import { requireService } from '../deployment.ts'
import { type EnginePlan, runEngines } from '../run-engines.ts'

const Options = z.object({ healthPort: z.number(), healthHost: z.string(), stopWithStdin: z.boolean() })

function command(role: string, plan: (system: SystemDefinition, input: CommandInput) => EnginePlan): CommandImplementation {
  return async (context: CommandContext, input) => {
    const { healthHost, healthPort, stopWithStdin } = Options.parse(input.options)
    const system = await context.system()
    const signal = stopWithStdin ? AbortSignal.any([context.signal, endOfStdin()]) : context.signal
    await runEngines({ ...context, signal }, system, {
      role,
      ...plan(system, input),
      health: { host: healthHost, port: healthPort },
    })
    return { summary: 'stopped cleanly; the next start goes on from the stored position', result: { role }, text: '' }
  }
}

export const runCommands = {
  reader: command('reader', (system, { args }) => ({ readers: lanesIn(system, args[0]), relays: [], projectors: [] })),
  relay: command('relay', (system, { args }) => ({ readers: [], relays: lanesIn(system, args[0]), projectors: [] })),
  projector: command('projector', (system, { args }) => ({
    readers: [],
    relays: [],
    projectors: [requireService(system, args[0] ?? '')],
  })),
  all: command('all', (system) => ({
    readers: lanesOf(system),
    relays: lanesOf(system),
    projectors: Object.keys(system.services),
  })),
}

/** Aborts when standard input ends: whoever started the process is gone. */
function endOfStdin(): AbortSignal {
  const controller = new AbortController()
  process.stdin.once('end', () => controller.abort()).once('error', () => controller.abort())
  process.stdin.resume()
  return controller.signal
}

/** The named lane, or all. */
function lanesIn(system: SystemDefinition, name: string | undefined): readonly LaneDefinition[] {
  const lanes = lanesOf(system)
  if (name === undefined) return lanes
  const lane = lanes.find((l) => l.name === name)
  if (lane) return [lane]
  throw new SluiceError('USAGE', {
    what: `system "${system.name}" has no lane "${name}"`,
    why: `its lanes are ${lanes.map((l) => l.name).join(', ')}`,
    ways: lanes.slice(0, 2).map((l) => `sluice run reader ${l.name}`),
  })
}
