/**
 * Making slots. PostgreSQL waits for every transaction that writes at that moment: the wait is bounded, and those it waits
 * for are named.
 *
 * https://www.postgresql.org/docs/17/protocol-replication.html#PROTOCOL-REPLICATION-CREATE-REPLICATION-SLOT
 */
import { type Lsn, SluiceError, parseLsn, quoteIdentifier } from '@sluice/core'
import { type PostgresTarget, sqlStateOf } from '@sluice/postgres'
import type pg from 'pg'
import { toReplicationError } from './replication-error.ts'

export interface NewSlot {
  /** Every commit whose record begins here or later is streamed; the exported snapshot sees all earlier ones. */
  readonly consistentLsn: Lsn
  /** Lives until the next command of the connection that made it. */
  readonly snapshotName: string
}

export interface SlotCreationOptions {
  /** Makes the slot; a temporary one ends with it. */
  readonly replication: pg.Client
  /** Watches, and ends a wait that is too long. */
  readonly control: pg.Client
  readonly target: PostgresTarget
  readonly slotName: string
  readonly isTemporary: boolean
  readonly timeoutMs: number
  /** Ends the wait at once. */
  readonly signal: AbortSignal
}

interface Blocker {
  readonly pid: number
  readonly application: string
  readonly age_seconds: number
}

/** @throws SluiceError SLU-2024, SLU-2025, SLU-2041 or one of `toPostgresError` */
export async function createSlot(options: SlotCreationOptions): Promise<NewSlot> {
  const { replication, control, target, slotName } = options
  const backend = await replication.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  const pid = backend.rows[0]!.pid
  const cancelled: Promise<readonly Blocker[]>[] = []
  const cancel = (): void => {
    const blockers = cancelCreation(control, pid)
    // Awaited below; until then a rejection must have a listener.
    blockers.catch(() => undefined)
    cancelled.push(blockers)
  }
  const timer = setTimeout(cancel, options.timeoutMs)
  options.signal.addEventListener('abort', cancel, { once: true })
  try {
    const kind = options.isTemporary ? 'TEMPORARY LOGICAL' : 'LOGICAL'
    const { rows } = await replication.query<{ consistent_point: string; snapshot_name: string }>(
      `CREATE_REPLICATION_SLOT ${quoteIdentifier(slotName)} ${kind} pgoutput (SNAPSHOT 'export')`,
    )
    const row = rows[0]!
    return { consistentLsn: parseLsn(row.consistent_point), snapshotName: row.snapshot_name }
  } catch (error) {
    const [blockers] = cancelled
    if (sqlStateOf(error) === '57014' && blockers) throw blocked(options, await blockers)
    throw toReplicationError(error, target, { slotName })
  } finally {
    clearTimeout(timer)
    options.signal.removeEventListener('abort', cancel)
  }
}

/** Ends the wait of our own server process. Half a slot is not left behind: it becomes one only when it is complete. */
async function cancelCreation(control: pg.Client, pid: number): Promise<readonly Blocker[]> {
  const { rows } = await control.query<Blocker>(
    `SELECT a.pid, coalesce(nullif(a.application_name, ''), a.backend_type) AS application,
       extract(epoch FROM clock_timestamp() - a.xact_start)::int AS age_seconds
     FROM pg_catalog.pg_stat_activity a WHERE a.backend_xid IS NOT NULL AND a.pid <> $1
     UNION ALL
     SELECT 0, 'prepared transaction ' || p.gid, extract(epoch FROM clock_timestamp() - p.prepared)::int
     FROM pg_catalog.pg_prepared_xacts p
     ORDER BY age_seconds DESC NULLS LAST LIMIT 5`,
    [pid],
  )
  await control.query('SELECT pg_cancel_backend($1)', [pid])
  return rows
}

function blocked({ target, slotName, timeoutMs }: SlotCreationOptions, blockers: readonly Blocker[]): SluiceError {
  const named = blockers
    .map((b) => `${b.pid === 0 ? '' : `pid ${b.pid} `}${b.application} open for ${b.age_seconds} s`)
    .join(', ')
  const pid = blockers.find((b) => b.pid !== 0)?.pid
  return new SluiceError('SLOT_CREATION_BLOCKED', {
    what: `slot "${slotName}" could not be made in ${target.name} (${target.display})`,
    why: `it waited ${Math.round(timeoutMs / 1000)} s for open write transactions: ${named === '' ? 'they ended just now' : named}`,
    ways: [
      'wait until they end: the reader tries again by itself',
      ...(pid === undefined ? [] : [`SELECT pg_terminate_backend(${pid})    ends the oldest, and rolls it back`]),
    ],
  })
}

/** Drops a slot that nobody reads. @throws SluiceError SLU-2023 if somebody does. */
export async function dropSlot(control: pg.Client, target: PostgresTarget, slotName: string): Promise<void> {
  try {
    await control.query('SELECT pg_drop_replication_slot($1)', [slotName])
  } catch (error) {
    throw toReplicationError(error, target, { slotName })
  }
}
