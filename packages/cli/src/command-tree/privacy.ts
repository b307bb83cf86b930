/** `sluice erase` and `sluice keys` */
import type { Command } from 'commander'
import { DATA_EXITS, addHelp } from '../help-text.ts'
import type { AddLeaf } from './leaf.ts'

export function addPrivacy(program: Command, leaf: AddLeaf): void {
  const erase = program
    .command('erase [subject]')
    .description('Destroys the key of a person, and overwrites what services hold of their encrypted columns. For ever.')
    .option('--kind <kind>', 'what the subject is an id of', 'person')
    .option('--confirm <subject>', 'the subject again: do it')
    .option('--recorded', 'instead: give every database the erasures that another one remembers', false)
    .option('--dry-run', 'say what would be erased and change nothing', false)
  leaf(erase, { load: async () => (await import('../commands/erase.ts')).erase })
  addHelp(erase, {
    examples: ['sluice erase 4711 --dry-run', 'sluice erase 4711 --confirm 4711', 'sluice erase --recorded'],
    exits: [0, 1, 2, 3, 5, 130],
  })

  const keys = program.command('keys').description('The keys of private columns.')
  addHelp(keys, { examples: ['sluice keys rotate'], exits: DATA_EXITS })
  const rotate = keys
    .command('rotate')
    .description('Wraps every key with the first master key of SLUICE_MASTER_KEY.')
    .option('--dry-run', 'say how many that would be and change nothing', false)
  leaf(rotate, { load: async () => (await import('../commands/keys.ts')).keysRotate })
  addHelp(rotate, { examples: ['sluice keys rotate'], exits: DATA_EXITS })
}
