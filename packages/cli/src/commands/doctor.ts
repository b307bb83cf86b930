/** `sluice doctor` */
import { readSchedulePlan } from '@sluice/backup'
import { type HealthCheck, SluiceError, silentLogger } from '@sluice/core'
import { runDoctor, runProductionChecks } from '@sluice/doctor'
import { z } from 'zod'
import { checkText } from '../check-text.ts'
import type { CommandImplementation } from '../command.ts'
import { readDeployment } from '../deployment.ts'
import { styleOf } from '../glyphs.ts'
import { kafkaOf, registryOf } from '../servers.ts'
import { sinksOf } from '../sinks.ts'

const Options = z.object({ production: z.boolean(), plan: z.string().optional() })

export const doctor: CommandImplementation = async (context, { options }) => {
  const { production: isForProduction, plan } = Options.parse(options)
  const system = await context.system()
  const services = Object.keys(system.services)
  const deployment = readDeployment(context.environment, system, {
    monolith: true,
    pipeline: true,
    services,
    kafka: true,
    registry: true,
  })
  const openSinks = sinksOf(context.environment, system, services)
  const phase = context.progress.phase(`checking ${services.length + Object.keys(openSinks).length + 4} servers`)
  const kafka = kafkaOf(deployment.kafka, silentLogger)
  const registry = registryOf(deployment.registry)
  const checks = [...(await runDoctor({ system, targets: deployment, kafka, registry, openSinks }))]
  if (isForProduction) {
    const backupPlan = plan === undefined ? null : await readSchedulePlan(plan)
    checks.push(
      ...(await runProductionChecks({
        system,
        targets: deployment,
        kafka,
        transports: {
          kafka: {
            brokers: deployment.kafka.brokers,
            isEncrypted: deployment.kafka.ssl !== null,
            isAuthenticated: deployment.kafka.sasl !== null,
          },
          registry: { url: deployment.registry.url },
        },
        backupPlan,
        now: new Date(),
      })),
    )
  }
  phase.done(`${checks.length} checks`)
  const failed = checks.filter((c) => c.status === 'failed')
  const warnings = checks.filter((c) => c.status === 'warning')
  return {
    summary: warnings.length === 0 ? 'everything is ready' : `ready, with ${warnings.length} warnings`,
    result: { checks },
    text: checkText(checks, styleOf(process.stdout, context.environment)),
    ...(failed.length > 0 ? { verdict: preflightFailed(failed) } : { nextSteps: ['sluice provision', 'sluice run all'] }),
  }
}

function preflightFailed(failed: readonly HealthCheck[]): SluiceError {
  return new SluiceError('PREFLIGHT_FAILED', {
    what: `${failed.length} ${failed.length === 1 ? 'check' : 'checks'} failed`,
    why: failed.map((c) => `${c.name}: ${c.summary}`).join('\n'),
    ways: [...new Set(failed.flatMap((c) => c.fix?.slice(0, 1) ?? []))].slice(0, 3),
  })
}
