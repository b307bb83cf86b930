/** `sluice migrate` */
import type { Command } from 'commander'
import { DATA_EXITS, VERDICT_EXITS, addHelp } from '../help-text.ts'
import type { AddLeaf } from './leaf.ts'

export function addMigrate(program: Command, leaf: AddLeaf): void {
  const migrate = program
    .command('migrate')
    .description('The migrations of the services: what is applied, up, down, new ones, drift.')
  addHelp(migrate, { examples: ['sluice migrate status', 'sluice migrate up'], exits: DATA_EXITS })

  const status = migrate
    .command('status [service]')
    .description('Shows what is applied and what is pending, of every service or the one named. Changes nothing.')
    .option('--check', 'exit code 4 if anything is pending', false)
  leaf(status, { load: async () => (await import('../commands/migrate.ts')).migrateStatus })
  addHelp(status, { examples: ['sluice migrate status', 'sluice migrate status analytics --check'], exits: VERDICT_EXITS })

  const up = migrate
    .command('up [service]')
    .description('Applies what is pending, one service after the other, and stops at the first that fails.')
    .option('--dry-run', 'say what would be applied and change nothing', false)
  leaf(up, { load: async () => (await import('../commands/migrate.ts')).migrateUp })
  addHelp(up, { examples: ['sluice migrate up --dry-run', 'sluice migrate up analytics'], exits: DATA_EXITS })

  const down = migrate
    .command('down <service>')
    .description('Undoes the migration of one service that was applied last. What that drops is gone.')
    .option('--dry-run', 'show the SQL and change nothing', false)
    .option('--yes', 'do it', false)
  leaf(down, { load: async () => (await import('../commands/migrate.ts')).migrateDown })
  addHelp(down, {
    examples: ['sluice migrate down analytics --dry-run', 'sluice migrate down analytics --yes'],
    exits: [0, 1, 2, 3, 5, 130],
  })

  const fresh = migrate
    .command('new <service> <name>')
    .description('Writes the next migration file of a service, empty or drafted.')
    .option('--diff', 'draft what turns the structure that the migrations make into that of the database', false)
    .option(
      '--to <file|VARIABLE>',
      'with --diff: into that of a file of SQL, or of the database that a variable SLUICE_…_URL names',
    )
    .option('--dry-run', 'print it and write nothing', false)
  leaf(fresh, { load: async () => (await import('../commands/migrate-new.ts')).migrateNew })
  addHelp(fresh, {
    examples: [
      'sluice migrate new analytics add_category',
      'sluice migrate new analytics as_in_production --diff --dry-run',
      'sluice migrate new analytics next_release --diff --to ./schema.sql',
    ],
    exits: VERDICT_EXITS,
  })

  const drift = migrate
    .command('drift [service]')
    .description('Compares the structure of a database with what its migrations make in a scratch database beside it.')
  leaf(drift, { load: async () => (await import('../commands/migrate-drift.ts')).migrateDrift })
  addHelp(drift, { examples: ['sluice migrate drift', 'sluice migrate drift analytics --json'], exits: VERDICT_EXITS })
}
