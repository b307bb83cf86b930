/**
 * The tables of a service's sink, from its backup into the store (decision 0025).
 *
 * They are filled before the restored database gets its name: a projector that goes on from the restored position finds a sink that has
 * everything up to there. Whoever fails or is killed in between leaves rows in the sink, and no database that counts on them; the next call
 * is told to add to them, which doubles nothing.
 */
import { Duplex } from 'node:stream'
import { SluiceError } from '@sluice/core'
import type { MasterKeys } from '@sluice/privacy'
import { type Sink, sinkTableName } from '@sluice/sink'
import type { SinkTable } from '@sluice/system'
import { type ServiceSink, withSink } from './backup-sink.ts'
import type { BackedUpSinkTable, BackupManifest } from './manifest.ts'
import { readSinkTable } from './read-backup.ts'

export interface SinkRestoreOptions {
  readonly sink: ServiceSink
  readonly manifest: BackupManifest
  /** Folder of the backups of several databases. */
  readonly from: string
  readonly keys: MasterKeys | null
  /** Rows that are there stay, and those of the backup are added to them; else they are a reason to refuse. */
  readonly addsToRows: boolean
  readonly signal: AbortSignal
}

export interface SinkTablePlan {
  /** `clickhouse.opportunity_events` */
  readonly table: string
  /** Of the backup. */
  readonly rows: bigint
  /** Null: the table is not there, and is made. */
  readonly held: bigint | null
}

interface Pair {
  readonly table: SinkTable
  readonly backedUp: BackedUpSinkTable
}

/**
 * Changes nothing.
 *
 * @throws SluiceError SLU-7108 if a table has rows, SLU-7109 if the definition has not all tables; SLU-5101 to SLU-5103 of the sink
 */
export async function planSinkRestore(options: SinkRestoreOptions): Promise<readonly SinkTablePlan[]> {
  const pairs = pairsOf(options)
  if (pairs.length === 0) return []
  return withSink(options.sink, async (sink) => {
    const missing = await sink.missing()
    if (missing.length === 0) await sink.open()
    const plans: SinkTablePlan[] = []
    for (const { table, backedUp } of pairs) {
      const held = missing.includes(table) ? null : await sink.count(table)
      plans.push({ table: sinkTableName(table), rows: backedUp.rows, held })
    }
    if (!options.addsToRows) assertNoRows(sink, plans, options)
    return plans
  })
}

/**
 * Makes tables that are missing, fills all, and counts them.
 *
 * @param onTable Called before each table is filled.
 * @throws SluiceError SLU-7110 if other numbers of rows come out; SLU-7106, SLU-7107; SLU-5101 to SLU-5103 of the sink; the signal's reason
 */
export async function restoreSink(options: SinkRestoreOptions, onTable: (done: number, of: number) => void): Promise<void> {
  const { sink: service, from: root, manifest, keys, signal } = options
  const pairs = pairsOf(options)
  if (pairs.length === 0) return
  // It took a while to restore the database: somebody may have written there meanwhile.
  await planSinkRestore(options)
  await withSink(service, async (sink) => {
    for (const table of await sink.missing()) await sink.make(table)
    await sink.open()
    for (const [index, { table, backedUp }] of pairs.entries()) {
      onTable(index + 1, pairs.length)
      const filling = Duplex.from((rows: AsyncIterable<Buffer>) => sink.importRows(table, rows))
      await readSinkTable({ root, manifest, keys }, backedUp, filling, signal)
      await assertFilled(sink, table, backedUp, options)
    }
  })
}

/** @throws SluiceError SLU-7109 */
function pairsOf({ sink: { tables }, manifest, from }: SinkRestoreOptions): readonly Pair[] {
  return manifest.sinks.map((backedUp) => {
    const table = tables.find(({ store, name }) => store === backedUp.store && name === backedUp.table)
    if (table) return { table, backedUp }
    throw new SluiceError('RESTORE_FAILED', {
      what: `${manifest.database} was not restored`,
      why: `its backup has the table ${backedUp.table} of ${backedUp.store}, which the system's definition does not have`,
      ways: [
        'restore with the definition of the time of the backup',
        `sluice restore ${manifest.database} --from ${from} --without-sinks    leaves the tables of its sink as they are`,
      ],
    })
  })
}

/** @throws SluiceError SLU-7108 */
function assertNoRows({ display }: Sink, plans: readonly SinkTablePlan[], { manifest, from }: SinkRestoreOptions): void {
  const filled = plans.filter(({ held }) => held !== null && held > 0n)
  if (filled.length === 0) return
  const called = `sluice restore ${manifest.database} --from ${from}`
  throw new SluiceError('RESTORE_NOT_EMPTY', {
    what: `the backup of ${manifest.database} is not restored into ${display}`,
    why: `the sink is not empty: ${filled.map(({ table, held }) => `${table} has ${held} rows`).join(', ')}`,
    ways: [
      `${called} --without-sinks    if the sink was not lost: it has all that the backup has, and the projector repeats what came later`,
      `${called} --add-to-sinks    if a restore that did not end left them: what is there twice collapses`,
      'or give up what is in them: empty the tables first',
    ],
  })
}

/** @throws SluiceError SLU-7110 */
async function assertFilled(
  sink: Sink,
  table: SinkTable,
  { rows }: BackedUpSinkTable,
  { manifest, from, addsToRows }: SinkRestoreOptions,
): Promise<void> {
  const found = await sink.count(table)
  if (addsToRows ? found >= rows : found === rows) return
  throw new SluiceError('RESTORE_DIFFERS', {
    what: `${manifest.database} was not restored, for the sake of ${sink.display}`,
    why: `${sinkTableName(table)} has ${found} rows instead of ${rows}`,
    ways: [`sluice backup verify ${from}`, 'see that nobody else writes to the table, empty it, and restore again'],
  })
}
