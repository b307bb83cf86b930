/**
 * A snapshot of the source at one LSN: the one that a slot exports when it is made. It sees exactly the commits whose
 * records begin before the LSN, since both come from the same place in the WAL.
 *
 * An exported snapshot lives until the next command of the connection that made the slot; a transaction that took it over
 * keeps it. So it is taken over at once, and dies with that transaction's session.
 */
import { type EpochMicros, type Lsn, quoteLiteral } from '@sluice/core'
import { epochMicros } from '@sluice/core'
import { type PostgresTarget, connect, toPostgresError } from '@sluice/postgres'
import type pg from 'pg'
import { createSlot } from './slot-creation.ts'
import { connectForReplication } from './source-identity.ts'

export interface SourceSnapshot {
  readonly lsn: Lsn
  readonly takenAt: EpochMicros
  /** Sessions inside of a transaction that holds the snapshot: as many as were asked for, and all see the same. */
  readonly clients: readonly [pg.Client, ...pg.Client[]]
  close(): Promise<void>
}

export interface SnapshotOptions {
  readonly target: PostgresTarget
  readonly control: pg.Client
  readonly applicationName: string
  readonly slotName: string
  /** True for a pair of LSN and snapshot alone; false makes the lane's own slot. */
  readonly isTemporary: boolean
  /** How many sessions read from it: at least one. */
  readonly sessions: number
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

/** @throws SluiceError SLU-2024, SLU-2025 or one of `toPostgresError` */
export async function openSnapshot(options: SnapshotOptions): Promise<SourceSnapshot> {
  const replication = await connectForReplication(options.target, options.applicationName)
  try {
    const slot = await createSlot({ ...options, replication })
    return await takeOver(options, slot.consistentLsn, slot.snapshotName)
  } finally {
    // A temporary slot ends here, and with it the WAL that it kept.
    await replication.end()
  }
}

async function takeOver(options: SnapshotOptions, lsn: Lsn, snapshotName: string): Promise<SourceSnapshot> {
  const clients: pg.Client[] = []
  const close = async (): Promise<void> => {
    await Promise.all(clients.map((client) => client.end()))
  }
  try {
    const [first, takenAt] = await openSession(options, snapshotName, clients)
    const others: pg.Client[] = []
    while (others.length + 1 < options.sessions) others.push((await openSession(options, snapshotName, clients))[0])
    return { lsn, takenAt, clients: [first, ...others], close }
  } catch (error) {
    await close()
    throw toPostgresError(error, options.target)
  }
}

/** @param opened Gets the session as soon as it is one. */
async function openSession(
  { target, applicationName }: SnapshotOptions,
  snapshotName: string,
  opened: pg.Client[],
): Promise<[pg.Client, EpochMicros]> {
  const client = await connect(target, { applicationName })
  opened.push(client)
  // The load may take hours between two statements of a slow store.
  await client.query(
    `SELECT set_config('idle_in_transaction_session_timeout', '0', false), set_config('statement_timeout', '0', false),
       set_config('search_path', '', false)`,
  )
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  await client.query(`SET TRANSACTION SNAPSHOT ${quoteLiteral(snapshotName)}`)
  const { rows } = await client.query<{ micros: string }>(
    `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::int8::text AS micros`,
  )
  return [client, epochMicros(BigInt(rows[0]!.micros))]
}
