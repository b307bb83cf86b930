/** `sluice keys rotate`: every key wrapped with the current master key. */
import { assertErasuresApplied, requireMasterKeys, rotateKeys, subjectKinds } from '@sluice/privacy'
import type { CommandImplementation } from '../command.ts'
import { readDeployment } from '../deployment.ts'
import { formatCount } from '../table.ts'

export const keysRotate: CommandImplementation = async (context) => {
  const system = await context.system()
  const needs = { monolith: true, pipeline: true, masterKeys: true } as const
  const { monolith, pipeline, masterKeys } = readDeployment(context.environment, system, needs)
  const master = requireMasterKeys(masterKeys, 'it wraps the keys of the pipeline database')
  // A key that an older copy brought back would live on under the new master key.
  if (subjectKinds(system).size > 0) await assertErasuresApplied({ system, monolith, pipeline, services: {} })
  const phase = context.progress.phase('wrapping keys')
  const wrapped = await rotateKeys({
    system: system.name,
    pipeline,
    master,
    signal: context.signal,
    onProgress: (keys) => phase.update(`${formatCount(keys)} keys`),
  })
  phase.done(`${formatCount(wrapped)} keys`)
  return {
    summary: `${formatCount(wrapped)} keys are wrapped with "${master.current}" now`,
    result: { wrapped, masterKey: master.current },
    text: '',
    nextSteps: context.signal.aborted
      ? ['sluice keys rotate    does the rest']
      : ['take the older master keys out of SLUICE_MASTER_KEY once no backup needs them'],
  }
}
