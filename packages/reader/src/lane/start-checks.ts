/**
 * Promise 1: what is checked of the source before a lane goes on from its stored position. A mismatch stops; there is never
 * a silent gap.
 */
import { type Lsn, SluiceError, formatLsn, parseLsn } from '@sluice/core'
import { type PostgresTarget, toPostgresError } from '@sluice/postgres'
import { type LaneRecord, durableLsnOf } from '@sluice/store'
import type pg from 'pg'
import { slotInUse, slotInvalidated, slotMissing } from '../replication/replication-error.ts'
import { type SourceIdentity, isOnTimeline, sourceChanged, timelineHistory } from '../replication/source-identity.ts'
import { sourceWalEnd } from '../replication/source-wal-end.ts'

export interface SlotFacts {
  readonly plugin: string
  readonly database: string
  readonly activePid: number | null
  readonly walStatus: string | null
  readonly confirmedFlushLsn: Lsn | null
}

/** @throws SluiceError SLU-2010 */
export async function assertWalLevel(client: pg.Client, target: PostgresTarget): Promise<void> {
  const { rows } = await client.query<{ level: string }>(`SELECT current_setting('wal_level') AS level`)
  const level = rows[0]!.level
  if (level === 'logical') return
  throw new SluiceError('WAL_LEVEL_NOT_LOGICAL', {
    what: `${target.name} (${target.display}) does not write what logical replication needs`,
    why: `wal_level is ${level}`,
    ways: ['ALTER SYSTEM SET wal_level = logical    then restart PostgreSQL'],
  })
}

export async function findSlot(client: pg.Client, slotName: string): Promise<SlotFacts | null> {
  const { rows } = await client.query<{
    plugin: string | null
    database: string | null
    active_pid: number | null
    wal_status: string | null
    confirmed: string | null
  }>(
    `SELECT plugin, database, active_pid, wal_status, confirmed_flush_lsn::text AS confirmed
     FROM pg_catalog.pg_replication_slots WHERE slot_name = $1`,
    [slotName],
  )
  const row = rows[0]
  if (!row) return null
  return {
    plugin: row.plugin ?? '',
    database: row.database ?? '',
    activePid: row.active_pid,
    walStatus: row.wal_status,
    confirmedFlushLsn: row.confirmed === null ? null : parseLsn(row.confirmed),
  }
}

export interface StartCheckOptions {
  readonly control: pg.Client
  readonly replication: pg.Client
  readonly target: PostgresTarget
  readonly identity: SourceIdentity
  readonly record: LaneRecord
}

/**
 * @throws SluiceError SLU-2020 to SLU-2023, SLU-2030, SLU-2031
 */
export async function assertHandOver(options: StartCheckOptions): Promise<void> {
  assertSameDatabase(options)
  try {
    await assertTimeline(options)
    await assertWalEnd(options)
    await assertSlot(options)
  } catch (error) {
    throw toPostgresError(error, options.target)
  }
}

function assertSameDatabase({ target, identity, record }: StartCheckOptions): void {
  if (identity.systemIdentifier !== record.systemIdentifier) {
    throw sourceChanged(
      target,
      `its system identifier is ${identity.systemIdentifier}, the lane was read from ${record.systemIdentifier}`,
    )
  }
  if (identity.databaseName !== record.databaseName) {
    throw sourceChanged(target, `the database is "${identity.databaseName}", the lane was read from "${record.databaseName}"`)
  }
}

async function assertTimeline({ replication, target, identity, record }: StartCheckOptions): Promise<void> {
  if (identity.timeline === record.timeline) return
  const stored = { timeline: record.timeline, lsn: durableLsnOf(record) }
  const history = identity.timeline > 1 ? await timelineHistory(replication, identity.timeline) : []
  if (isOnTimeline(stored, identity.timeline, history)) return
  const left = history.find((s) => s.timeline === record.timeline)
  const path = left
    ? `timeline ${left.timeline} was left at ${formatLsn(left.at)}`
    : `timeline ${record.timeline} is not in its history`
  throw sourceChanged(
    target,
    `it is on timeline ${identity.timeline}, the lane stands at ${formatLsn(stored.lsn)} of timeline ${record.timeline}, and ${path}`,
  )
}

async function assertWalEnd({ control, target, record }: StartCheckOptions): Promise<void> {
  const walEnd = await sourceWalEnd(control)
  const stored = durableLsnOf(record)
  if (walEnd >= stored) return
  throw new SluiceError('SOURCE_BEHIND', {
    what: `the WAL of ${target.name} (${target.display}) ends before the position of the lane`,
    why: `it ends at ${formatLsn(walEnd)}, the lane stands at ${formatLsn(stored)}: the server was restored from an older copy`,
    ways: [
      'restore the pipeline database and Kafka to the same time',
      'or begin again with an empty pipeline database: sluice provision, then sluice run reader',
    ],
  })
}

async function assertSlot({ control, target, record }: StartCheckOptions): Promise<void> {
  const { slotName } = record
  const slot = await findSlot(control, slotName)
  if (!slot) throw slotMissing(target, slotName)
  if (slot.plugin !== 'pgoutput' || slot.database !== record.databaseName) {
    throw new SluiceError('SLOT_FOREIGN', {
      what: `slot "${slotName}" of ${target.name} (${target.display}) is not the lane's`,
      why: `its plugin is "${slot.plugin}" and its database "${slot.database}"`,
      ways: [`SELECT pg_drop_replication_slot('${slotName}')    if nothing else needs it; the lane must begin again then`],
    })
  }
  if (slot.walStatus === 'lost') throw slotInvalidated(target, slotName, 'its wal_status is lost: WAL it needs was removed')
  const stored = durableLsnOf(record)
  if (slot.confirmedFlushLsn !== null && slot.confirmedFlushLsn > stored) {
    throw new SluiceError('SLOT_AHEAD', {
      what: `slot "${slotName}" of ${target.name} (${target.display}) is ahead of the lane`,
      why: `it was confirmed up to ${formatLsn(slot.confirmedFlushLsn)}, the lane is stored up to ${formatLsn(stored)}`,
      ways: [
        'restore the newer pipeline database, if this one came from a backup',
        `SELECT pg_drop_replication_slot('${slotName}')    then begin again with an empty pipeline database: sluice provision`,
      ],
    })
  }
  if (slot.activePid !== null) throw slotInUse(target, slotName, slot.activePid)
}
