/** Faults of the replication connection and its slot, in the user's words. */
import { SluiceError, isSluiceError } from '@sluice/core'
import { type PostgresTarget, isConnectionFault, sqlStateOf, toPostgresError } from '@sluice/postgres'

export function replicationLost(target: PostgresTarget, why: string, cause?: unknown): SluiceError {
  return new SluiceError('REPLICATION_LOST', {
    what: `the replication connection to ${target.name} (${target.display}) broke`,
    why,
    ways: [`pg_isready -d postgresql://${target.display}    the reader begins again from its stored position by itself`],
    cause,
  })
}

export function slotMissing(target: PostgresTarget, slotName: string): SluiceError {
  return new SluiceError('SLOT_MISSING', {
    what: `slot "${slotName}" of ${target.name} (${target.display}) is gone`,
    why: 'the lane has a stored position, and changes since then can no longer be read',
    ways: [
      'SELECT slot_name, database FROM pg_replication_slots    shows whether the URL is that of another server',
      'begin again with an empty pipeline database: sluice provision, then sluice run reader',
    ],
  })
}

export function slotInvalidated(target: PostgresTarget, slotName: string, why: string): SluiceError {
  return new SluiceError('SLOT_INVALIDATED', {
    what: `PostgreSQL invalidated slot "${slotName}" of ${target.name} (${target.display})`,
    why,
    ways: [
      `SELECT pg_drop_replication_slot('${slotName}')    then begin again with an empty pipeline database: sluice provision`,
      'ALTER SYSTEM SET max_slot_wal_keep_size = -1    before that, or give the slot more room',
    ],
  })
}

export function slotInUse(target: PostgresTarget, slotName: string, pid: number | null): SluiceError {
  return new SluiceError('SLOT_IN_USE', {
    what: `slot "${slotName}" of ${target.name} (${target.display}) is in use`,
    why: pid === null ? 'another process reads from it' : `server process ${pid} reads from it`,
    ways: [
      'leave it: this reader stands by and takes over when the other ends',
      `SELECT pid, application_name, client_addr FROM pg_stat_replication WHERE pid = ${pid ?? 0}    shows the other`,
    ],
  })
}

export function slotLimit(target: PostgresTarget, cause: unknown): SluiceError {
  return new SluiceError('SLOT_LIMIT', {
    what: `${target.name} (${target.display}) has no replication slot left`,
    why: 'max_replication_slots are in use',
    ways: [
      'SELECT slot_name, active FROM pg_replication_slots    shows those that nobody reads',
      'ALTER SYSTEM SET max_replication_slots = 20    then restart PostgreSQL',
    ],
    cause,
  })
}

/**
 * PostgreSQL's own fault. Of a transaction that is streamed it can lose sight of a table: where a savepoint that changed the table was
 * rolled back and the table changes again later, rows between the two can not be told before the commit (decision 0027).
 *
 * @param isStreaming Whether transactions were asked for before they commit.
 */
function decodingFailed(target: PostgresTarget, slotName: string, isStreaming: boolean, error: unknown): SluiceError {
  const why = `SQLSTATE XX000: ${error instanceof Error ? error.message : String(error)}`
  if (isStreaming) {
    return new SluiceError('SOURCE_STREAMING_FAILED', {
      what: `${target.name} (${target.display}) could not decode a transaction in progress for slot "${slotName}"`,
      why,
      ways: [
        'nothing is to be done: the reader begins again from its stored position and takes transactions when they have committed',
      ],
      cause: error,
    })
  }
  return new SluiceError('SOURCE_DECODING_FAILED', {
    what: `${target.name} (${target.display}) could not decode the WAL of slot "${slotName}"`,
    why,
    ways: [
      "read the server's log around this time, and look in the release notes of its later minor versions for logical decoding",
      'start the reader again: nothing is lost while the slot is there',
      `SELECT pg_drop_replication_slot('${slotName}')    if it fails for ever; then begin again with an empty pipeline database: sluice provision`,
    ],
    cause: error,
  })
}

export interface ReplicationAttempt {
  readonly slotName: string
  /** Whether transactions were asked for before they commit. @default false */
  readonly isStreaming?: boolean
}

/** What a replication command or the stream itself failed with. */
export function toReplicationError(
  error: unknown,
  target: PostgresTarget,
  { slotName, isStreaming = false }: ReplicationAttempt,
): SluiceError {
  if (isSluiceError(error)) return error
  switch (sqlStateOf(error)) {
    case '55006':
      return slotInUse(target, slotName, null)
    case '42704':
      return slotMissing(target, slotName)
    case '55000':
      return slotInvalidated(target, slotName, 'SQLSTATE 55000: the slot can no longer be read')
    case '53400':
      return slotLimit(target, error)
    case '57P01':
    case '57P02':
      return replicationLost(target, 'the server ended the connection', error)
    case 'XX000':
      return decodingFailed(target, slotName, isStreaming, error)
    case undefined:
      break
    default:
      return toPostgresError(error, target)
  }
  if (!isConnectionFault(error)) return toPostgresError(error, target)
  const unreachable = toPostgresError(error, target)
  return unreachable.code === 'POSTGRES_UNREACHABLE' ? unreachable : replicationLost(target, unreachable.why, error)
}
