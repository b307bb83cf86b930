/** `sluice schemas generate` and `check` */
import { SluiceError } from '@sluice/core'
import { checkSchemaFiles, writeSchemaFiles } from '@sluice/avro'
import type { CommandImplementation } from '../command.ts'

export const schemasGenerate: CommandImplementation = async (context) => {
  const system = await context.system()
  const files = await writeSchemaFiles(system)
  return { summary: `${files.length} schema files written`, result: { files }, text: files.join('\n') }
}

export const schemasCheck: CommandImplementation = async (context) => {
  const system = await context.system()
  const differences = await checkSchemaFiles(system)
  return {
    summary: 'the schema files are up to date',
    result: { differences },
    text: differences.join('\n'),
    ...(differences.length === 0 ? {} : { verdict: stale(differences) }),
  }
}

function stale(differences: readonly string[]): SluiceError {
  return new SluiceError('SCHEMA_FILES_STALE', {
    what: `${differences.length} schema files are not what the system definition gives`,
    why: differences.join('\n'),
    ways: ['sluice schemas generate'],
  })
}
