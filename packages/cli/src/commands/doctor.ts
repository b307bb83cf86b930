/** `sluice doctor` */
import { type HealthCheck, SluiceError, silentLogger } from '@sluice/core'
import { runDoctor } from '@sluice/doctor'
import { checkText } from '../check-text.ts'
import type { CommandImplementation } from '../command.ts'
import { readDeployment } from '../deployment.ts'
import { styleOf } from '../glyphs.ts'
import { kafkaOf, registryOf } from '../servers.ts'

export const doctor: CommandImplementation = async (context) => {
  const system = await context.system()
  const services = Object.keys(system.services)
  const deployment = readDeployment(context.environment, system, {
    monolith: true,
    pipeline: true,
    services,
    kafka: true,
    registry: true,
  })
  const phase = context.progress.phase(`checking ${services.length + 4} servers`)
  const checks = await runDoctor({
    system,
    targets: deployment,
    kafka: kafkaOf(deployment.kafka, silentLogger),
    registry: registryOf(deployment.registry),
  })
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
