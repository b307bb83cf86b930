/** Finds what a system exports from the `demo.ts` beside its definition. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { SluiceError, isSluiceError } from '@sluice/core'
import type { SystemDefinition } from '@sluice/system'
import type { SystemDemo } from '@sluice/workload'
import { builtInDemos, loadNamedSystem, systemModule } from '../system-file.ts'

export interface LoadedDemo {
  readonly system: SystemDefinition
  readonly demo: SystemDemo
}

/**
 * @param specifier Name or path of the system's definition, as `--system` takes it.
 * @throws SluiceError SLU-1001 if there is no such system or it has no demo, with the names of those that have; SLU-1005 if its
 *   definition or its demo has errors
 */
export async function loadDemo(specifier: string): Promise<LoadedDemo> {
  const system = await loadNamedSystem(specifier).catch((error: unknown) => {
    if (isSluiceError(error, 'SYSTEM_NOT_FOUND')) throw noDemo(specifier, error.why)
    throw error
  })
  const file = path.resolve(path.dirname(systemModule(specifier)), 'demo.ts')
  if (!existsSync(file)) throw noDemo(specifier, `it has no ${file}`)
  const module: unknown = await import(pathToFileURL(file).href)
  if (typeof module === 'object' && module !== null && 'default' in module && isSystemDemo(module.default)) {
    return { system, demo: module.default }
  }
  throw new SluiceError('SYSTEM_INVALID', {
    what: `the demo of ${system.name} can not be used`,
    why: `${file} does not export what systemDemo gives`,
    ways: ['export default systemDemo({ system, tables: […] })'],
  })
}

function noDemo(specifier: string, why: string): SluiceError {
  return new SluiceError('USAGE', {
    what: `there is no demo of "${specifier}"`,
    why,
    ways: builtInDemos().map((name) => `sluice demo --system ${name}`),
  })
}

function isSystemDemo(value: unknown): value is SystemDemo {
  return typeof value === 'object' && value !== null && 'fill' in value && 'runWorkload' in value && 'changes' in value
}
