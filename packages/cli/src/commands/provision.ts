/** `sluice provision` */
import { SluiceError, silentLogger } from '@sluice/core'
import { provision } from '@sluice/provision'
import { z } from 'zod'
import type { CommandImplementation } from '../command.ts'
import { readDeployment, requireService } from '../deployment.ts'
import { partsLine } from '../parts-progress.ts'
import { kafkaOf, registryOf } from '../servers.ts'
import { sinksOf } from '../sinks.ts'
import { renderTable } from '../table.ts'
import { recreate } from './provision-recreate.ts'

const Options = z.object({
  dryRun: z.boolean(),
  service: z.string().optional(),
  createDatabases: z.boolean(),
  recreate: z.string().optional(),
  yes: z.boolean(),
})

export const provisionCommand: CommandImplementation = async (context, { options }) => {
  const { dryRun: isDryRun, service, createDatabases, recreate: recreated, yes } = Options.parse(options)
  if (recreated !== undefined) {
    if (service !== undefined || createDatabases) throw recreatesAlone(recreated)
    return recreate(context, recreated, { isDryRun, yes })
  }
  const system = await context.system()
  const services = service === undefined ? Object.keys(system.services) : [requireService(system, service)]
  const deployment = readDeployment(context.environment, system, {
    monolith: true,
    pipeline: true,
    services,
    kafka: true,
    registry: true,
    masterKeys: true,
  })
  const phase = context.progress.phase(isDryRun ? 'planning' : 'provisioning')
  const line = partsLine()
  const steps = await provision({
    system,
    targets: deployment,
    kafka: kafkaOf(deployment.kafka, silentLogger),
    registry: registryOf(deployment.registry),
    masterKeys: deployment.masterKeys,
    openSinks: sinksOf(context.environment, system, services),
    isDryRun,
    createDatabases,
    ...(service === undefined ? {} : { only: service }),
    onStep: ({ place, what }, { done, of }) => phase.update(line(`${place}: ${what}`, done, of)),
  })
  phase.done(`${steps.length} steps`)
  const made = steps.filter((s) => s.outcome === 'done').length
  const planned = steps.filter((s) => s.outcome === 'planned').length
  return {
    summary: isDryRun
      ? `${planned} of ${steps.length} steps would be done; nothing was changed`
      : `${made} of ${steps.length} steps done, the rest was there`,
    result: { dryRun: isDryRun, steps },
    text: renderTable(
      [{ title: 'place' }, { title: 'what' }, { title: 'outcome' }, { title: 'detail' }],
      steps.map((s) => [s.place, s.what, s.outcome, s.detail]),
    ),
    nextSteps: isDryRun ? ['sluice provision'] : ['sluice run all'],
  }
}

function recreatesAlone(service: string): SluiceError {
  return new SluiceError('USAGE', {
    what: '--recreate is about one service, and nothing else',
    why: '--service or --create-databases was given with it',
    ways: [`sluice provision --recreate ${service} --dry-run`],
  })
}
