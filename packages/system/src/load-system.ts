/** Loads a definition from its module. */
import { access } from 'node:fs/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import path from 'node:path'
import { SluiceError, isSluiceError } from '@sluice/core'
import { assertSystem, systemInvalid } from './checks/assert-system.ts'
import type { Mistake } from './checks/mistake.ts'
import type { SystemDefinition } from './system-definition.ts'

/**
 * Imports a module and returns its default export, checked.
 *
 * @param specifier Path of the module: absolute, or relative to `from`.
 * @param from Folder (a URL that ends with a slash) or module.
 * @throws SluiceError SLU-1004 if there is no such file; SLU-1005 if it can not be imported, or has mistakes
 */
export async function loadSystem(specifier: string, from: URL): Promise<SystemDefinition> {
  const module = path.isAbsolute(specifier) ? pathToFileURL(specifier) : new URL(specifier.replaceAll(path.sep, '/'), from)
  const file = fileURLToPath(module)
  if (!(await exists(module))) {
    throw new SluiceError('SYSTEM_NOT_FOUND', {
      what: `there is no system definition at ${specifier}`,
      why: `${file} does not exist`,
      ways: ['export SLUICE_SYSTEM=./path/to/system.ts', 'docs/system-definition.md shows how to write one'],
    })
  }
  const definition = await importDefault(module, file)
  assertSystem(definition)
  const missing = await missingFolders(definition)
  if (missing.length > 0) throw systemInvalid(`system "${definition.name}"`, missing)
  return definition
}

async function importDefault(module: URL, file: string): Promise<unknown> {
  const imported: unknown = await import(module.href).catch((error: unknown) => {
    if (isSluiceError(error)) throw error
    const problem = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    throw systemInvalid(file, [{ place: 'the module', problem: `it can not be imported, ${problem}` }], error)
  })
  if (typeof imported === 'object' && imported !== null && 'default' in imported) return imported.default
  throw systemInvalid(file, [{ place: 'the module', problem: 'it has no default export: export default defineSystem({…})' }])
}

async function missingFolders(system: SystemDefinition): Promise<readonly Mistake[]> {
  const folders = [
    { place: 'monolith.migrations', folder: system.monolith.migrations },
    ...Object.entries(system.services).map(([name, s]) => ({ place: `services.${name}.migrations`, folder: s.migrations })),
  ]
  const checked = await Promise.all(
    folders.map(async ({ place, folder }) =>
      folder === undefined || (await exists(folder))
        ? []
        : [{ place, problem: `the folder ${fileURLToPath(folder)} does not exist` }],
    ),
  )
  return checked.flat()
}

async function exists(file: URL): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  )
}
