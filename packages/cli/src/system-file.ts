/** Finds a system definition: a name is `schemas/<name>/system.ts` of this repository, anything with a slash or a file ending a path. */
import { existsSync, readdirSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { SluiceError } from '@sluice/core'
import type { SystemDefinition } from '@sluice/system'

const SCHEMAS = new URL('../../../schemas/', import.meta.url)

/** Names that `--system` takes without a path. */
export function builtInSystems(): readonly string[] {
  if (!existsSync(SCHEMAS)) return []
  return readdirSync(SCHEMAS).filter((name) => existsSync(new URL(`${name}/system.ts`, SCHEMAS)))
}

/** Names that `sluice demo --system` takes without a path. */
export function builtInDemos(): readonly string[] {
  return builtInSystems().filter((name) => existsSync(new URL(`${name}/demo.ts`, SCHEMAS)))
}

/** @throws SluiceError SLU-1002 if none is named, SLU-1004 if it is not there, SLU-1005 if it has errors. */
export async function loadNamedSystem(specifier: string | undefined): Promise<SystemDefinition> {
  if (specifier === undefined || specifier === '') {
    throw new SluiceError('CONFIG_MISSING', {
      what: 'no system is named',
      why: 'neither --system nor SLUICE_SYSTEM is set',
      ways: [...builtInSystems().map((name) => `export SLUICE_SYSTEM=${name}`), 'export SLUICE_SYSTEM=./path/to/system.ts'],
    })
  }
  const { loadSystem } = await import('@sluice/system')
  return loadSystem(systemModule(specifier), pathToFileURL(`${process.cwd()}${path.sep}`))
}

/** Path of the module that a name or path means. @throws SluiceError SLU-1004 if there is no system of that name */
export function systemModule(specifier: string): string {
  if (/[/\\]|\.[cm]?[jt]s$/.test(specifier)) return specifier
  const file = new URL(`${specifier}/system.ts`, SCHEMAS)
  if (existsSync(file)) return fileURLToPath(file)
  throw new SluiceError('SYSTEM_NOT_FOUND', {
    what: `there is no system "${specifier}"`,
    why: `${fileURLToPath(file)} does not exist`,
    ways: [...builtInSystems().map((name) => `--system ${name}`), '--system ./path/to/system.ts'],
  })
}
