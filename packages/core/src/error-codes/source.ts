import type { ErrorCode } from './error-code.ts'

/** SLU-2xxx: a source database (the monolith, or a service whose outbox is read) and its slot. */
export const sourceErrors = {
  POSTGRES_UNREACHABLE: { number: 'SLU-2001', exit: 3, retry: 'backoff', meaning: 'A PostgreSQL server can not be reached.' },
  POSTGRES_AUTH_FAILED: {
    number: 'SLU-2002',
    exit: 3,
    retry: 'never',
    meaning: 'A PostgreSQL server refused the user, the password or the database.',
  },
  POSTGRES_PRIVILEGE_MISSING: { number: 'SLU-2003', exit: 3, retry: 'never', meaning: 'The database role lacks a privilege.' },
  POSTGRES_CONNECTION_LOST: {
    number: 'SLU-2004',
    exit: 3,
    retry: 'restart',
    meaning: 'A PostgreSQL connection broke while it was in use.',
  },
  POSTGRES_POOLED: {
    number: 'SLU-2005',
    exit: 3,
    retry: 'never',
    meaning: "A pooler stands between Sluice and a PostgreSQL server where a session of the server's own is needed.",
  },
  WAL_LEVEL_NOT_LOGICAL: {
    number: 'SLU-2010',
    exit: 3,
    retry: 'never',
    meaning: 'The source runs with a wal_level other than logical.',
  },
  TABLE_MISSING: { number: 'SLU-2011', exit: 3, retry: 'never', meaning: 'A captured table does not exist in the source.' },
  PRIMARY_KEY_MISSING: { number: 'SLU-2012', exit: 3, retry: 'never', meaning: 'A captured table has no primary key.' },
  COLUMN_MISMATCH: { number: 'SLU-2013', exit: 3, retry: 'never', meaning: 'A captured table differs from its definition.' },
  REPLICA_IDENTITY_UNUSABLE: {
    number: 'SLU-2014',
    exit: 3,
    retry: 'never',
    meaning:
      "A captured table's replica identity does not hold its primary key, so that updates and deletes can not be told; or not the whole row, which a row filter needs.",
  },
  PUBLICATION_CHANGED: {
    number: 'SLU-2015',
    exit: 3,
    retry: 'never',
    meaning:
      'The publication does not carry what the definition names, or no longer what the lane was begun with: changes may be missing from the stream.',
  },
  SLOT_MISSING: {
    number: 'SLU-2020',
    exit: 3,
    retry: 'never',
    meaning: 'The replication slot that the stored position belongs to is gone.',
  },
  SLOT_INVALIDATED: {
    number: 'SLU-2021',
    exit: 3,
    retry: 'never',
    meaning: 'PostgreSQL invalidated the slot: WAL it needs was removed.',
  },
  SLOT_AHEAD: {
    number: 'SLU-2022',
    exit: 3,
    retry: 'never',
    meaning: "The slot's confirmed LSN is ahead of the stored one: changes between them are lost to the stream.",
  },
  SLOT_IN_USE: { number: 'SLU-2023', exit: 3, retry: 'backoff', meaning: 'Another process reads from the slot.' },
  SLOT_LIMIT: { number: 'SLU-2024', exit: 3, retry: 'never', meaning: 'The source has no replication slot left.' },
  SLOT_CREATION_BLOCKED: {
    number: 'SLU-2025',
    exit: 3,
    retry: 'backoff',
    meaning: 'Creating a slot waits for open write transactions, longer than allowed.',
  },
  SLOT_FOREIGN: {
    number: 'SLU-2026',
    exit: 3,
    retry: 'never',
    meaning: 'A replication slot of the name that the lane needs exists, and this pipeline did not make it.',
  },
  SOURCE_CHANGED: {
    number: 'SLU-2030',
    exit: 3,
    retry: 'never',
    meaning: 'The source is another system, database or timeline than the stored position belongs to.',
  },
  SOURCE_BEHIND: {
    number: 'SLU-2031',
    exit: 3,
    retry: 'never',
    meaning: "The source's WAL ends before the stored position: it was restored from an older copy.",
  },
  PROTOCOL_MESSAGE_INVALID: {
    number: 'SLU-2040',
    exit: 1,
    retry: 'never',
    meaning: 'A replication message could not be decoded.',
  },
  REPLICATION_LOST: { number: 'SLU-2041', exit: 3, retry: 'restart', meaning: 'The replication connection broke.' },
  SPOOL_FULL: {
    number: 'SLU-2042',
    exit: 3,
    retry: 'backoff',
    meaning: 'The spool of transactions in progress has no room left: its own bound, or the disk under it.',
  },
  SPOOL_UNUSABLE: {
    number: 'SLU-2043',
    exit: 3,
    retry: 'never',
    meaning: 'The folder of the spool can not be used, or what was written there can not be read back.',
  },
  SOURCE_STREAMING_FAILED: {
    number: 'SLU-2044',
    exit: 3,
    retry: 'restart',
    meaning: 'PostgreSQL failed while it decoded a transaction that had not ended; it is read again, whole.',
  },
  SOURCE_DECODING_FAILED: {
    number: 'SLU-2045',
    exit: 3,
    retry: 'never',
    meaning: 'PostgreSQL failed while it decoded the WAL of a slot, with an internal error of its own.',
  },
  LOAD_NOT_RESUMABLE: {
    number: 'SLU-2050',
    exit: 3,
    retry: 'never',
    meaning: 'An interrupted initial load can not go on; it must begin again.',
  },
  BACKFILL_REFUSED: {
    number: 'SLU-2051',
    exit: 2,
    retry: 'never',
    meaning: 'A backfill can not be done as it was asked for: its table, its keys or its filter.',
  },
  BACKFILL_CHUNK_SLOW: {
    number: 'SLU-2052',
    exit: 3,
    retry: 'never',
    meaning: 'The source took too long for a chunk of a backfill, or its rows changed each time they were read again.',
  },
} as const satisfies Record<string, ErrorCode>
