/**
 * Restores a backup into an empty database, or one that does not exist.
 *
 * States: checked, nothing changed → restored beside it in one transaction → rows counted → recorded erasures applied → sink filled
 * (`restore-sink.ts`) → names exchanged.
 * Whoever is killed or fails before the exchange leaves the database as it was, and nobody reads a person who was erased since the
 * backup was taken. Who fails drops what was beside it; what a killed one left goes with the next call.
 */
import { SluiceError, quoteIdentifier } from '@sluice/core'
import { type PostgresTarget, connect, withConnection, withDatabase } from '@sluice/postgres'
import { type AppliedErasures, type MasterKeys, applyRecordedErasures, requireMasterKeys, subjectKinds } from '@sluice/privacy'
import { assertNothingKept, objectsIn, recreate } from '@sluice/provision'
import { sinkTableName } from '@sluice/sink'
import type { SystemDefinition } from '@sluice/system'
import { countRows } from './backup-contents.ts'
import { serverVersion } from './backup-database.ts'
import type { ServiceSink } from './backup-sink.ts'
import { type BackupTool, assertRestores } from './backup-tool.ts'
import { type BackupManifest, backupFolder, damaged, readManifest } from './manifest.ts'
import { readDump } from './read-backup.ts'
import { type SinkRestoreOptions, type SinkTablePlan, planSinkRestore, restoreSink } from './restore-sink.ts'
import { writeToTool } from './run-tool.ts'
import type { StageWork } from './stage-work.ts'
import { toolEnvironment } from './tool-environment.ts'
import { assertWhole } from './verify-backups.ts'

const SESSION = { applicationName: 'sluice restore' }

export interface RestoreOptions {
  readonly system: SystemDefinition
  /** The database; its name is that of the backup. */
  readonly target: PostgresTarget
  /** Of the service's erasures: where they are remembered. Null for the monolith and the pipeline database, whose reader meets them. */
  readonly erasuresFrom: { readonly monolith: PostgresTarget; readonly pipeline: PostgresTarget } | null
  readonly masterKeys: MasterKeys | null
  /** Gets the tables that the backup has of it. Null: the service has none, or they are left as they are. */
  readonly sink: ServiceSink | null
  /** Rows that the sink has stay there, and those of the backup are added; else they are a reason to refuse. */
  readonly addsToSink: boolean
  /** Folder of the backups of several databases. */
  readonly from: string
  readonly tool: BackupTool
  readonly keys: MasterKeys | null
  readonly onProgress?: (progress: RestoreProgress) => void
  readonly signal: AbortSignal
}

export interface RestoreProgress {
  /** The backup is checked; rows are filled in; indexes and keys are made; rows are counted; statistics gathered; erasures applied; its sink filled. */
  readonly stage: 'checking' | 'restoring' | 'indexing' | 'counting' | 'analyzing' | 'erasing' | 'importing'
  /** Tables that were begun, of the sink while it is filled; while indexes are made, indexes and foreign keys. */
  readonly begun: number
  /** Null: not known, or there is nothing to count. */
  readonly ofThem: number | null
  /** Bytes of the dump while rows are filled in, rows while they are counted; null where nothing is known of it. */
  readonly work: StageWork | null
}

/** A stage of which nothing is counted. */
const UNCOUNTED = { begun: 0, ofThem: null, work: null }

export interface RestorePlan {
  readonly manifest: BackupManifest
  /** `host:port/database` */
  readonly target: string
  readonly server: string
  readonly exists: boolean
  /** Tables of the sink that are restored with it. */
  readonly sinkTables: readonly SinkTablePlan[]
  /** Tables of the sink that the backup does not have: what they lack of the time before it, nobody brings. */
  readonly sinkTablesNotInBackup: readonly string[]
}

export interface RestoreReport extends RestorePlan {
  readonly erasures: AppliedErasures
  /** Database that keeps what somebody wrote in the last moment before the names were exchanged; null, usually: it was empty. */
  readonly keptAs: string | null
}

/**
 * Checks all that can be checked before anything is changed, the backup's file with it.
 *
 * @throws SluiceError SLU-7102, SLU-7105 to SLU-7109, SLU-5005, SLU-5006, SLU-5036, SLU-8001; SLU-2001 to SLU-2004; SLU-5101 to SLU-5103 of the sink
 */
export async function planRestore(options: RestoreOptions): Promise<RestorePlan> {
  const { system, target, sink, from, tool, keys, signal } = options
  const manifest = await readManifest(from, target.name)
  if (manifest.system !== system.name) {
    throw damaged(backupFolder(from, target.name), `it is of system "${manifest.system}", and this one is "${system.name}"`)
  }
  if (options.erasuresFrom !== null && subjectKinds(system).size > 0) {
    requireMasterKeys(options.masterKeys, 'recorded erasures are applied to what is restored')
  }
  const found = await withConnection(withDatabase(target, 'postgres'), SESSION, async (client) => {
    const server = await serverVersion(client)
    assertRestores(tool, manifest.server, { display: target.display, server })
    const { rows } = await client.query<{ roles: string[]; extensions: string[]; exists: boolean }>(
      `SELECT ARRAY(SELECT n FROM unnest($1::text[]) AS w (n) WHERE n NOT IN (SELECT rolname FROM pg_catalog.pg_roles)) AS roles,
         ARRAY(SELECT n FROM unnest($2::text[]) AS w (n) WHERE n NOT IN (SELECT name FROM pg_catalog.pg_available_extensions)) AS extensions,
         EXISTS (SELECT FROM pg_catalog.pg_database WHERE datname = $3) AS exists`,
      [manifest.roles, manifest.extensions.map((e) => e.name), target.database],
    )
    const { roles, extensions, exists } = rows[0]!
    assertNeedsMet(target, roles, extensions)
    await assertNothingKept(client, target)
    return { server, exists }
  })
  if (found.exists) await assertEmpty(target)
  const sinkTables = sink === null ? [] : await planSinkRestore(sinkOptions(sink, manifest, options))
  await assertWhole({ root: from, manifest, keys }, tool, signal)
  const names = (sink?.tables ?? []).map(sinkTableName)
  const sinkTablesNotInBackup = names.filter((name) => !sinkTables.some(({ table }) => table === name))
  return { manifest, target: target.display, ...found, sinkTables, sinkTablesNotInBackup }
}

/**
 * @throws SluiceError those of `planRestore`; SLU-7109 if pg_restore fails, SLU-7110 if other numbers of rows come out, SLU-5035 while
 *   anybody is connected to the empty database; the signal's reason. Then the database is as it was; its sink may have rows.
 */
export async function restoreDatabase(options: RestoreOptions): Promise<RestoreReport> {
  const { target, sink, onProgress, signal } = options
  onProgress?.({ stage: 'checking', ...UNCOUNTED })
  const plan = await planRestore(options)
  let erasures: AppliedErasures = []
  const keptAs = await recreate(target, async (beside) => {
    try {
      await fill(beside, plan.manifest, options)
      await assertSameRows(beside, plan.manifest, options)
      erasures = await erase(beside, options)
      if (sink !== null) {
        await restoreSink(sinkOptions(sink, plan.manifest, options), (begun, ofThem) => {
          onProgress?.({ stage: 'importing', begun, ofThem, work: null })
        })
      }
      // Somebody may have written to it since it was found empty.
      if (plan.exists) await assertEmpty(target)
      signal.throwIfAborted()
    } catch (error) {
      // It may hold persons who were erased since. Where it can not be dropped now, the next restore does.
      await dropDatabase(beside).catch(() => undefined)
      throw error
    }
  })
  return { ...plan, erasures, keptAs }
}

function sinkOptions(
  sink: ServiceSink,
  manifest: BackupManifest,
  { from, keys, addsToSink, signal }: RestoreOptions,
): SinkRestoreOptions {
  return { sink, manifest, from, keys, addsToRows: addsToSink, signal }
}

/** What the other databases remember of erased persons takes effect in what was restored. */
async function erase(beside: PostgresTarget, options: RestoreOptions): Promise<AppliedErasures> {
  const { system, target, erasuresFrom, masterKeys, onProgress } = options
  if (erasuresFrom === null || subjectKinds(system).size === 0) return []
  onProgress?.({ stage: 'erasing', ...UNCOUNTED })
  const master = requireMasterKeys(masterKeys, 'recorded erasures are applied to what is restored')
  return applyRecordedErasures({ system, ...erasuresFrom, services: { [target.name]: beside }, master }, 'sluice restore')
}

async function dropDatabase(target: PostgresTarget): Promise<void> {
  await withConnection(withDatabase(target, 'postgres'), SESSION, (admin) =>
    admin.query(`DROP DATABASE IF EXISTS ${quoteIdentifier(target.database)} WITH (FORCE)`),
  )
}

async function fill(beside: PostgresTarget, manifest: BackupManifest, options: RestoreOptions): Promise<void> {
  const { target, from, tool, keys, onProgress, signal } = options
  const ofBytes = Number(manifest.file.bytes)
  let [tables, indexes, bytes] = [0, 0, 0]
  const tell = (): void => {
    // Rows come first: pg_restore has all of them once it is at an index.
    if (indexes > 0) onProgress?.({ stage: 'indexing', begun: indexes, ofThem: manifest.indexes, work: null })
    else onProgress?.({ stage: 'restoring', begun: tables, ofThem: manifest.tables.length, work: { done: bytes, of: ofBytes } })
  }
  await writeToTool(
    {
      tool,
      args: [
        '--format=custom',
        '--single-transaction',
        // Roles are not in a backup of a database: what is restored belongs to who restores it, as what is migrated does.
        '--no-owner',
        '--no-password',
        '--verbose',
        `--dbname=dbname='${beside.database.replaceAll(/['\\]/g, String.raw`\$&`)}'`,
      ],
      environment: toolEnvironment(beside, SESSION.applicationName),
      onStep: ({ kind }) => {
        if (kind === 'index') indexes += 1
        else tables += 1
        tell()
      },
      failure: {
        code: 'RESTORE_FAILED',
        what: `${target.name} was not restored into ${target.display}`,
        ways: [
          'put right what it names; the database is as it was, so call it again',
          `pg_restore --list ${backupFolder(from, target.name)}/database.dump    shows what is in it`,
        ],
      },
      signal,
    },
    (input) =>
      readDump({ root: from, manifest, keys }, input, (piece) => {
        bytes += piece
        tell()
      }),
  )
}

async function assertSameRows(beside: PostgresTarget, manifest: BackupManifest, options: RestoreOptions): Promise<void> {
  const client = await connect(beside, SESSION)
  try {
    await client.query('SET row_security = off')
    const { tables } = manifest
    const rowsOf = (some: BackupManifest['tables']): number => some.reduce((sum, { rows }) => sum + Number(rows), 0)
    const counted = await countRows(client, tables, (begun) => {
      const work = { done: rowsOf(tables.slice(0, begun)), of: rowsOf(tables) }
      options.onProgress?.({ stage: 'counting', begun, ofThem: tables.length, work })
      options.signal.throwIfAborted()
    })
    const different = counted.flatMap(({ schema, name, rows }, index) => {
      const expected = tables[index]!.rows
      return rows === expected ? [] : [`${schema}.${name} has ${rows} rows instead of ${expected}`]
    })
    if (different.length > 0) {
      throw new SluiceError('RESTORE_DIFFERS', {
        what: `${options.target.name} was not restored into ${options.target.display}`,
        why: different.join('; '),
        ways: [`sluice backup verify ${options.from}`, 'restore another backup'],
      })
    }
    // A backup of a server before PostgreSQL 18 has no statistics: without them the first queries would be planned blindly.
    options.onProgress?.({ stage: 'analyzing', ...UNCOUNTED })
    await client.query('ANALYZE')
  } finally {
    await client.end()
  }
}

/** @throws SluiceError SLU-5005, SLU-5006 */
function assertNeedsMet(target: PostgresTarget, roles: readonly string[], extensions: readonly string[]): void {
  if (extensions.length > 0) {
    throw new SluiceError('EXTENSION_MISSING', {
      what: `the backup of ${target.name} is not restored into ${target.display}`,
      why: `it has ${extensions.join(', ')}, which that server does not offer`,
      ways: ['install it on the server, or restore into one that has it'],
    })
  }
  if (roles.length > 0) {
    throw new SluiceError('ROLE_MISSING', {
      what: `the backup of ${target.name} is not restored into ${target.display}`,
      why: `rights and policies in it name ${roles.join(', ')}, which that server does not have`,
      ways: [roles.map((role) => `CREATE ROLE ${quoteIdentifier(role)};`).join(' ')],
    })
  }
}

/** Nothing of its own in it: no table, view, sequence, function, type or schema but `public`; extensions do not count. */
async function assertEmpty(target: PostgresTarget): Promise<void> {
  const found = await withConnection(target, SESSION, (client) => objectsIn(client, 4))
  if (found.length === 0) return
  throw new SluiceError('RESTORE_NOT_EMPTY', {
    what: `the backup of ${target.name} is not restored into ${target.display}`,
    why: `the database is not empty: it has ${found.slice(0, 3).join(', ')}${found.length > 3 ? ' and more' : ''}`,
    ways: [
      `keep it under another name: ALTER DATABASE ${quoteIdentifier(target.database)} RENAME TO ${quoteIdentifier(`${target.database}_before`)};    the restore makes one`,
      `or give up what is in it: DROP DATABASE ${quoteIdentifier(target.database)};`,
    ],
  })
}
