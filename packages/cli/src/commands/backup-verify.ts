/** `sluice backup verify <folder>`: exit 4 if a backup is not whole. */
import { type CheckedBackup, findTool, verifyBackups } from '@sluice/backup'
import { SluiceError, serializeError } from '@sluice/core'
import { z } from 'zod'
import type { CommandImplementation } from '../command.ts'
import { readBackupKeys } from '../deployment.ts'
import { formatBytes, renderTable } from '../table.ts'

const Options = z.object({ pgBin: z.string().optional() })

export const backupVerify: CommandImplementation = async (context, { args, options }) => {
  const { pgBin } = Options.parse(options)
  const root = args[0]!
  const keys = readBackupKeys(context.environment)
  const tool = await findTool('pg_restore', pgBin ?? null)
  const phase = context.progress.phase('checking backups')
  const { backups, partial } = await verifyBackups({
    root,
    tool,
    keys,
    onBackup: (database) => phase.update(database),
    signal: context.signal,
  })
  const broken = backups.filter((b) => b.error !== null)
  if (broken.length > 0) phase.failed()
  else phase.done()
  for (const name of partial) context.say(`${root}/${name} was left by a backup that did not end, or is being written`)
  return {
    summary: backups.length === 1 ? '1 backup is whole' : `${backups.length} backups are whole`,
    result: { backups: backups.map((b) => ({ ...b, error: b.error && serializeError(b.error) })), partial },
    text: renderTable(
      [{ title: 'database' }, { title: 'taken at' }, { title: 'server' }, { title: 'bytes', align: 'right' }, { title: 'state' }],
      backups.map(({ database, manifest, error }) => [
        database,
        manifest?.startedAt ?? null,
        manifest?.server ?? null,
        manifest && formatBytes(manifest.file.bytes),
        error === null ? 'whole' : `${error.number} ${error.why}`,
      ]),
    ),
    ...(broken.length > 0 ? { verdict: verdictOf(broken, backups.length) } : {}),
    nextSteps: broken.length > 0 ? [] : [`sluice restore <database> --from ${root} --dry-run`],
  }
}

/** What keeps any of them from being checked, such as a missing key, stands before a damage. */
function verdictOf(broken: readonly CheckedBackup[], all: number): SluiceError {
  const errors = broken.flatMap(({ error }) => (error ? [error] : []))
  const first = errors.find((error) => error.code !== 'BACKUP_DAMAGED') ?? errors[0]!
  return new SluiceError(first.code, {
    what: `${broken.length} of ${all} backups are not proven whole`,
    why: broken.map(({ database, error }) => `${database}: ${error?.why ?? ''}`).join('\n'),
    ways: first.ways,
  })
}
