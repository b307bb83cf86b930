/**
 * LSN and snapshot of a source that belong together, from a temporary replication slot: the snapshot sees exactly the
 * commits below the LSN. Creating the slot waits for every write transaction that is open, so that is bounded and the
 * blockers are named. https://www.postgresql.org/docs/current/protocol-replication.html
 */
import { randomBytes } from 'node:crypto'
import { type Lsn, SluiceError, parseLsn, quoteIdentifier } from '@sluice/core'
import { type PostgresTarget, connect, sessionConfig, sqlStateOf, toPostgresError } from '@sluice/postgres'
import pg from 'pg'

export interface SourceSnapshot {
  readonly lsn: Lsn
  /** Name for SET TRANSACTION SNAPSHOT; can be taken up until `close`. */
  readonly snapshot: string
  /** Drops the slot. Transactions that took up the snapshot keep it. */
  readonly close: () => Promise<void>
}

/** @throws SluiceError SLU-2025 if write transactions stay open longer than `slotMs`; SLU-2010, SLU-2024, SLU-200x */
export async function takeSourceSnapshot(target: PostgresTarget, slotMs: number, signal: AbortSignal): Promise<SourceSnapshot> {
  signal.throwIfAborted()
  const config: pg.ClientConfig & { replication: 'database' } = {
    ...sessionConfig(target, { applicationName: 'sluice verify' }),
    replication: 'database',
  }
  const client = new pg.Client(config)
  // A broken connection rejects the query that runs on it; between queries the snapshot is gone, and taking it up fails.
  client.on('error', () => undefined)
  try {
    await client.connect()
    const slot = await createSlot(client, target, slotMs, signal)
    return { ...slot, close: () => client.end() }
  } catch (error) {
    await client.end().catch(() => undefined)
    signal.throwIfAborted()
    throw slotError(error, target)
  }
}

interface SlotRow {
  readonly consistent_point: string
  readonly snapshot_name: string
}

async function createSlot(
  client: pg.Client,
  target: PostgresTarget,
  slotMs: number,
  signal: AbortSignal,
): Promise<{ readonly lsn: Lsn; readonly snapshot: string }> {
  const bound = AbortSignal.any([signal, AbortSignal.timeout(slotMs)])
  const slot = `sluice_verify_${randomBytes(6).toString('hex')}`
  const { rows: backend } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
  const giveUp = stopAt(bound, () => endWait(client, target, backend[0]!.pid))
  try {
    const { rows } = await client.query<SlotRow>(
      `CREATE_REPLICATION_SLOT ${quoteIdentifier(slot)} TEMPORARY LOGICAL pgoutput (SNAPSHOT 'export')`,
    )
    const [row] = rows
    if (row === undefined) throw new Error('CREATE_REPLICATION_SLOT gave no row')
    return { lsn: parseLsn(row.consistent_point), snapshot: row.snapshot_name }
  } catch (error) {
    const blockers = await giveUp.outcome()
    if (blockers === null || signal.aborted) throw error
    throw blocked(target, slotMs, blockers)
  } finally {
    giveUp.cancel()
  }
}

interface Blocker {
  readonly pid: number | null
  readonly who: string
  readonly seconds: number
}

/** Runs `act` when the signal aborts; `outcome` gives its result, or null if it never ran. */
function stopAt<T>(
  signal: AbortSignal,
  act: () => Promise<T>,
): { readonly outcome: () => Promise<T | null>; readonly cancel: () => void } {
  let running: Promise<T> | null = null
  const onAbort = (): void => {
    running = act()
  }
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  return {
    outcome: async () => running,
    cancel: () => {
      signal.removeEventListener('abort', onAbort)
    },
  }
}

/** Ends the wait for the slot, and says who held it up; `unknown` if the server can't be asked, then the connection is cut. */
async function endWait(waiting: pg.Client, target: PostgresTarget, waitingPid: number): Promise<readonly Blocker[] | 'unknown'> {
  try {
    return await blockersOf(target, waitingPid)
  } catch {
    await waiting.end()
    return 'unknown'
  }
}

/** The open write transactions, oldest first; then the waiting backend is ended. */
async function blockersOf(target: PostgresTarget, waitingPid: number): Promise<readonly Blocker[]> {
  const client = await connect(target, { applicationName: 'sluice verify', statementTimeoutMs: 10_000 })
  try {
    const { rows } = await client.query<Blocker>(
      `SELECT pid, who, seconds FROM (
         SELECT pid, format('%s, user %s, database %s, %s', coalesce(nullif(application_name, ''), 'unnamed'), usename, datname, state) AS who,
           extract(epoch FROM clock_timestamp() - xact_start)::integer AS seconds
         FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND pid NOT IN ($1, pg_backend_pid())
         UNION ALL
         SELECT NULL, format('prepared transaction %s, user %s, database %s', gid, owner, database),
           extract(epoch FROM clock_timestamp() - prepared)::integer FROM pg_prepared_xacts
       ) AS open ORDER BY seconds DESC LIMIT 5`,
      [waitingPid],
    )
    await client.query('SELECT pg_terminate_backend($1)', [waitingPid])
    return rows
  } finally {
    await client.end()
  }
}

function blocked(target: PostgresTarget, slotMs: number, found: readonly Blocker[] | 'unknown'): SluiceError {
  const blockers = found === 'unknown' ? [] : found
  const named = blockers.map((b) => `${b.pid === null ? '' : `pid ${b.pid}, `}${b.who}, open for ${b.seconds} s`).join('; ')
  const list = found === 'unknown' ? 'the server could not be asked which' : named || 'they have ended just now'
  const [oldest] = blockers
  return new SluiceError('SLOT_CREATION_BLOCKED', {
    what: `no snapshot of ${target.name} (${target.display}) could be taken`,
    why: `creating a slot waits for open write transactions, longer than ${slotMs / 1000} s: ${list}`,
    ways: [
      'sluice verify    again, when they have ended',
      ...(oldest?.pid == null
        ? []
        : [`SELECT pg_terminate_backend(${oldest.pid});    in ${target.name}, ends the oldest of them`]),
    ],
  })
}

function slotError(error: unknown, target: PostgresTarget): SluiceError {
  const state = sqlStateOf(error)
  if (state === '53400') {
    return new SluiceError('SLOT_LIMIT', {
      what: `${target.name} (${target.display}) has no replication slot left`,
      why: 'all max_replication_slots are in use, and verify needs a temporary one (SQLSTATE 53400)',
      ways: [
        'SELECT slot_name, active FROM pg_replication_slots;',
        'ALTER SYSTEM SET max_replication_slots = 40;    then restart',
      ],
      cause: error,
    })
  }
  if (state === '55000') {
    return new SluiceError('WAL_LEVEL_NOT_LOGICAL', {
      what: `${target.name} (${target.display}) can not give a snapshot with its LSN`,
      why: 'wal_level is not logical (SQLSTATE 55000)',
      ways: ["ALTER SYSTEM SET wal_level = 'logical';    then restart"],
      cause: error,
    })
  }
  return toPostgresError(error, target)
}
