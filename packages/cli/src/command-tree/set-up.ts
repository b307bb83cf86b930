/** `sluice doctor`, `sluice provision` and `sluice env`: what a system needs. */
import { type Command, Option } from 'commander'
import { DATA_EXITS, VERDICT_EXITS, addHelp } from '../help-text.ts'
import type { AddLeaf } from './leaf.ts'

export function addSetUp(program: Command, leaf: AddLeaf): void {
  const doctor = program
    .command('doctor')
    .description('Checks every server before anything is changed; each finding says what to do. Changes nothing.')
    .option('--production', 'check also what the checklists ask for before production: rights, TLS, backups, topics', false)
    .addOption(new Option('--plan <file>', 'with --production: the plan of backups').env('SLUICE_BACKUP_PLAN'))
  leaf(doctor, { load: async () => (await import('../commands/doctor.ts')).doctor })
  addHelp(doctor, {
    examples: ['sluice doctor', 'sluice doctor --production --plan ./backup-plan.json', 'sluice doctor --json'],
    exits: VERDICT_EXITS,
  })

  const provision = program
    .command('provision')
    .description('Creates what is missing: tables of Sluice and of the services, topics, registered schemas.')
    .option('--dry-run', 'print the plan and change nothing', false)
    .option('--service <name>', 'one service only')
    .option('--create-databases', 'create databases that do not exist', false)
    .option('--recreate <service>', 'instead: make the database of a service anew, empty; its projector fills it from the topics')
    .option('--yes', 'with --recreate: do it', false)
  leaf(provision, { load: async () => (await import('../commands/provision.ts')).provisionCommand })
  addHelp(provision, {
    examples: ['sluice provision --dry-run', 'sluice provision', 'sluice provision --recreate analytics --dry-run'],
    exits: [0, 1, 2, 3, 4, 5, 130],
  })

  const env = program
    .command('env <service>')
    .description('Prints the settings that a service needs, as export lines. Passwords are named by their variables.')
    .option('--scheme <scheme>', 'of the URL of its database: postgresql+asyncpg', 'postgresql')
    .option('--show-secrets', 'print passwords too', false)
    .option(
      '--pgbouncer',
      'print instead the settings of a pgbouncer in front of its database, with the planned connections',
      false,
    )
  leaf(env, { load: async () => (await import('../commands/env.ts')).env })
  addHelp(env, {
    examples: ['eval "$(sluice env analytics)"', 'sluice env analytics --json', 'sluice env analytics --pgbouncer'],
    exits: DATA_EXITS,
  })
}
