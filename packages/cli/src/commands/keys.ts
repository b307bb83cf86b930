/** `sluice keys rotate`: every key wrapped with the current master key. */
import { assertErasuresApplied, countKeysToRotate, requireMasterKeys, rotateKeys, subjectKinds } from '@sluice/privacy'
import { z } from 'zod'
import type { CommandImplementation } from '../command.ts'
import { readDeployment } from '../deployment.ts'
import { formatCount } from '../table.ts'

export const keysRotate: CommandImplementation = async (context, { options }) => {
  const { dryRun: isDryRun } = z.object({ dryRun: z.boolean() }).parse(options)
  const system = await context.system()
  const needs = { monolith: true, pipeline: true, masterKeys: true } as const
  const { monolith, pipeline, masterKeys } = readDeployment(context.environment, system, needs)
  const master = requireMasterKeys(masterKeys, 'it wraps the keys of the pipeline database')
  // A key that an older copy brought back would live on under the new master key.
  if (subjectKinds(system).size > 0) await assertErasuresApplied({ system, monolith, pipeline, services: {} })
  if (isDryRun) {
    const keys = await countKeysToRotate({ system: system.name, pipeline, master })
    return {
      summary: `nothing was changed: ${formatCount(keys)} keys would be wrapped with "${master.current}"`,
      result: { dryRun: true, keys, masterKey: master.current },
      text: '',
      nextSteps: keys === 0 ? [] : ['sluice keys rotate'],
    }
  }
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
    result: { dryRun: false, wrapped, masterKey: master.current },
    text: '',
    nextSteps: context.signal.aborted
      ? ['sluice keys rotate    does the rest']
      : ['take the older master keys out of SLUICE_MASTER_KEY once no backup needs them'],
  }
}
