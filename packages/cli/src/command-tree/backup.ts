/** `sluice backup` and `sluice restore` */
import { type Command, Option } from 'commander'
import { VERDICT_EXITS, addHelp } from '../help-text.ts'
import type { AddLeaf } from './leaf.ts'
import { compressionLevel } from './option-values.ts'

export function addBackup(program: Command, leaf: AddLeaf): void {
  const folderOfTools = (): Option =>
    new Option('--pg-bin <folder>', "where PostgreSQL's programs are; those on the path without it").env('SLUICE_PG_BIN')
  const backup = program
    .command('backup [database]')
    .description('Backs up every database with pg_dump, or the one named: monolith, pipeline, or a service.')
    .option('--to <folder>', 'folder that gets a folder of each database; needed')
    .addOption(folderOfTools())
    .option('--compression <level>', "level of gzip, 0 to 9; without it pg_dump's own", compressionLevel)
    .option('--without-sinks', 'leave out the tables that services have in ClickHouse or Weaviate', false)
    .option('--dry-run', 'check versions and rights, and write nothing', false)
  leaf(backup, { load: async () => (await import('../commands/backup.ts')).backup })
  addHelp(backup, {
    examples: ['sluice backup --to /backups/2026-11-21', 'sluice backup analytics --to /backups/before-release'],
    exits: VERDICT_EXITS,
  })

  const verify = backup
    .command('verify <folder>')
    .description('Checks backups without any database: the sha256 of each, and that pg_restore reads it.')
    .addOption(folderOfTools())
  leaf(verify, { load: async () => (await import('../commands/backup-verify.ts')).backupVerify })
  addHelp(verify, { examples: ['sluice backup verify /backups/2026-11-21'], exits: VERDICT_EXITS })

  const due = backup
    .command('due')
    .description('Makes the backups that a plan says are due, verifies them, and then removes what it lets go. For cron.')
    .addOption(new Option('--plan <file>', 'schedules, and how long backups are kept').env('SLUICE_BACKUP_PLAN'))
    .addOption(folderOfTools())
    .option('--without-sinks', 'leave out the tables that services have in ClickHouse or Weaviate', false)
    .option('--dry-run', 'say what is due and what would be removed; change nothing', false)
  leaf(due, { load: async () => (await import('../commands/backup-due.ts')).backupDue })
  addHelp(due, {
    examples: ['sluice backup due --plan ./backup-plan.json --dry-run', 'sluice backup due --plan ./backup-plan.json'],
    exits: VERDICT_EXITS,
  })

  const restore = program
    .command('restore <database>')
    .description('Restores a backup into an empty database, or one that does not exist; with every erasure since.')
    .option('--from <folder>', 'folder that the backup was made in; needed')
    .addOption(folderOfTools())
    .addOption(
      new Option('--without-sinks', 'leave the tables that the service has in ClickHouse or Weaviate as they are').default(false),
    )
    .addOption(
      new Option('--add-to-sinks', 'fill these tables though they have rows, which stay')
        .default(false)
        .conflicts('withoutSinks'),
    )
    .option('--dry-run', 'check backup and database, and change nothing', false)
  leaf(restore, { load: async () => (await import('../commands/restore.ts')).restore })
  addHelp(restore, {
    examples: ['sluice restore analytics --from /backups/2026-11-21 --dry-run'],
    exits: [0, 1, 2, 3, 4, 5, 130],
  })
}
