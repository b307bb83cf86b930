/** `sluice keys rotate`: every key wrapped with the current master key. */
import { requireMasterKeys, rotateKeys } from '@sluice/privacy'
import type { CommandImplementation } from '../command.ts'
import { readDeployment } from '../deployment.ts'
import { formatCount } from '../table.ts'

export const keysRotate: CommandImplementation = async (context) => {
  const system = await context.system()
  const { pipeline, masterKeys } = readDeployment(context.environment, system, { pipeline: true, masterKeys: true })
  const master = requireMasterKeys(masterKeys, 'it wraps the keys of the pipeline database')
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
