/** `sluice schemas` and `sluice explain` */
import type { Command } from 'commander'
import { DATA_EXITS, VERDICT_EXITS, addHelp } from '../help-text.ts'
import type { AddLeaf } from './leaf.ts'

export function addReference(program: Command, leaf: AddLeaf): void {
  const schemas = program.command('schemas').description('The Avro schemas that are derived from the captured tables.')
  addHelp(schemas, { examples: ['sluice schemas check'], exits: VERDICT_EXITS })
  const generate = schemas.command('generate').description("Writes them into the system's folder.")
  leaf(generate, { load: async () => (await import('../commands/schemas.ts')).schemasGenerate })
  addHelp(generate, { examples: ['sluice schemas generate'], exits: DATA_EXITS })
  const check = schemas.command('check').description('Compares the files with what would be written.')
  leaf(check, { load: async () => (await import('../commands/schemas.ts')).schemasCheck })
  addHelp(check, { examples: ['sluice schemas check'], exits: VERDICT_EXITS })

  const explain = program.command('explain <code>').description('Explains an error code.')
  leaf(explain, { load: async () => (await import('../commands/explain.ts')).explain })
  addHelp(explain, { examples: ['sluice explain SLU-2020'], exits: [0, 2] })
}
