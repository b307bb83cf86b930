import type { ErrorCode } from './error-code.ts'

/** SLU-71xx: backups of databases, and their restore. */
export const backupErrors = {
  BACKUP_TOOL_MISSING: {
    number: 'SLU-7101',
    exit: 3,
    retry: 'never',
    meaning: 'pg_dump or pg_restore was not found, or does not run.',
  },
  BACKUP_VERSION: {
    number: 'SLU-7102',
    exit: 3,
    retry: 'never',
    meaning: 'pg_dump, pg_restore, a server and a backup have versions that do not go together.',
  },
  BACKUP_EXISTS: {
    number: 'SLU-7103',
    exit: 2,
    retry: 'never',
    meaning: 'The folder holds a backup of that database already; no backup is overwritten.',
  },
  BACKUP_FAILED: {
    number: 'SLU-7104',
    exit: 3,
    retry: 'never',
    meaning: 'pg_dump failed, or what it wrote could not be stored; nothing of the backup is left.',
  },
  BACKUP_NOT_FOUND: {
    number: 'SLU-7105',
    exit: 2,
    retry: 'never',
    meaning: 'The folder holds no backup of that database, or one without a manifest, which is none.',
  },
  BACKUP_DAMAGED: {
    number: 'SLU-7106',
    exit: 4,
    retry: 'never',
    meaning: 'A backup is not what its manifest says, or can not be read.',
  },
  BACKUP_KEY_MISSING: {
    number: 'SLU-7107',
    exit: 2,
    retry: 'never',
    meaning: 'A backup is encrypted, and the key that it was encrypted with was not given.',
  },
  RESTORE_NOT_EMPTY: {
    number: 'SLU-7108',
    exit: 5,
    retry: 'never',
    meaning:
      'A backup is restored into an empty database and an empty sink only; what is in them would have to be removed by hand first.',
  },
  RESTORE_FAILED: {
    number: 'SLU-7109',
    exit: 3,
    retry: 'never',
    meaning: "pg_restore failed, or the definition lacks a table of the backup's sink; the database is as it was.",
  },
  RESTORE_DIFFERS: {
    number: 'SLU-7110',
    exit: 4,
    retry: 'never',
    meaning: 'What was restored has other numbers of rows than the manifest says; the database is as it was.',
  },
  BACKUP_BUSY: {
    number: 'SLU-7111',
    exit: 3,
    retry: 'never',
    meaning: 'Another run of a backup schedule is at work on the same database.',
  },
  BACKUP_OVERDUE: {
    number: 'SLU-7112',
    exit: 4,
    retry: 'never',
    meaning: 'The newest whole backup of a database is older than its schedule allows, or there is none.',
  },
} as const satisfies Record<string, ErrorCode>
