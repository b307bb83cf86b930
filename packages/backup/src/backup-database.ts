/**
 * A backup of one database with pg_dump.
 *
 * States: planned → `.<database>-<random>.partial`, being written → the same, with its manifest, synced → renamed to `<database>`.
 *
 * B1  The rename is the moment at which there is a backup: a folder with its name is whole. One that is there is never replaced.
 * B2  Rows are counted in the snapshot that is dumped, so that a restore has to give exactly those numbers.
 * B3  Whoever gives up or fails removes the partial folder. Killed, it stays: it has another name, and `verifyBackups` tells of it.
 */
import { randomBytes } from 'node:crypto'
import { access, mkdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { SluiceError } from '@sluice/core'
import { type PostgresTarget, withConnection } from '@sluice/postgres'
import type { MasterKeys } from '@sluice/privacy'
import { sinkTableName } from '@sluice/sink'
import type { ClientBase } from 'pg'
import { measureTables, readContents, readTables } from './backup-contents.ts'
import { type ServiceSink, backUpSink, withSink } from './backup-sink.ts'
import { type BackupTool, assertDumps, majorOf } from './backup-tool.ts'
import { DumpProgress } from './dump-progress.ts'
import { FileToStore, sealingKey } from './file-to-store.ts'
import { type BackupManifest, backupFolder, dumpPart, writeManifest } from './manifest.ts'
import { readFromTool } from './run-tool.ts'
import type { StageWork } from './stage-work.ts'
import { syncFolder } from './sync-folder.ts'
import { toolEnvironment } from './tool-environment.ts'

const SESSION = { applicationName: 'sluice backup' }
/** A change of structure in progress holds a lock that the dump has to wait for. */
const LOCK_TIMEOUT_MS = 60_000

export interface BackupOptions {
  readonly system: string
  /** Its name is that of the backup. */
  readonly target: PostgresTarget
  /** Its tables become part of the backup. Null: it has none, or they are left out. */
  readonly sink: ServiceSink | null
  /** Folder of the backups of several databases; made if it is not there. */
  readonly to: string
  readonly tool: BackupTool
  /** Level of gzip, 0 to 9. @default pg_dump's own */
  readonly compression?: number
  /** The first one encrypts; null: in the clear. */
  readonly keys: MasterKeys | null
  /** The clock of the manifest. @default the machine's */
  readonly now?: () => Date
  readonly onProgress?: (progress: BackupProgress) => void
  readonly signal: AbortSignal
}

export interface BackupProgress {
  /** Rows are counted; dumped; what the disk does not have yet is written to it; tables of the sink, counted by themselves, are exported. */
  readonly stage: 'counting' | 'dumping' | 'storing' | 'exporting'
  /** Tables that were begun. */
  readonly tables: number
  readonly ofTables: number
  /** Written so far. */
  readonly bytes: number
  /** Bytes of the tables on the server's disk, those that were counted, or dumped; null where nothing is known of it, as of a sink. */
  readonly work: StageWork | null
  /** Tables of its sink, which are exported last. */
  readonly sinkTables: number
}

export interface BackupPlan {
  readonly database: string
  /** `host:port/database` */
  readonly source: string
  readonly server: string
  readonly pgDump: string
  readonly tables: number
  /** Of the database on its server, indexes and all: more than the backup will have. */
  readonly databaseBytes: bigint
  /** Tables of its sink that are backed up with it: `clickhouse.opportunity_events`. */
  readonly sinkTables: readonly string[]
  readonly folder: string
  readonly isEncrypted: boolean
}

/**
 * Checks what can be checked before anything is written.
 *
 * @throws SluiceError SLU-7102 if pg_dump is older than the server, SLU-7103; SLU-2001 to SLU-2004; SLU-5101 to SLU-5103 of the sink
 */
export async function planBackup(options: Pick<BackupOptions, 'target' | 'sink' | 'to' | 'tool' | 'keys'>): Promise<BackupPlan> {
  const { target, sink, to, tool, keys } = options
  const folder = backupFolder(to, target.name)
  const isThere = await access(folder).then(
    () => true,
    () => false,
  )
  if (isThere) throw exists(target, to)
  if (sink) await withSink(sink, (opened) => opened.open())
  return withConnection(target, SESSION, async (client) => {
    const server = await serverVersion(client)
    assertDumps(tool, target.name, server)
    const { rows } = await client.query<{ bytes: string }>('SELECT pg_database_size(current_database())::text AS bytes')
    return {
      database: target.name,
      source: target.display,
      server,
      pgDump: tool.version,
      tables: (await readTables(client)).length,
      databaseBytes: BigInt(rows[0]!.bytes),
      sinkTables: (sink?.tables ?? []).map(sinkTableName),
      folder,
      isEncrypted: keys !== null,
    }
  })
}

/**
 * @returns the manifest of a whole backup
 * @throws SluiceError those of `planBackup`; SLU-7104 if pg_dump or the disk fails; the signal's reason. Then nothing is left.
 */
export async function backupDatabase(options: BackupOptions): Promise<BackupManifest> {
  return backUpAsPlanned(await planBackup(options), options)
}

/** `backupDatabase`, for a caller that has to look at the plan first. @param plan Made with the same options, just now. @throws as that */
export async function backUpAsPlanned(plan: BackupPlan, options: BackupOptions): Promise<BackupManifest> {
  const { target, to } = options
  const partial = join(to, `.${target.name}-${randomBytes(6).toString('hex')}.partial`)
  try {
    const firstMade = await mkdir(partial, { recursive: true, mode: 0o700 })
    const dumped = await dumpInto(partial, plan, options)
    const manifest = await withSinkTables(partial, dumped, options)
    await writeManifest(partial, manifest)
    await syncFolder(partial)
    options.signal.throwIfAborted()
    await rename(partial, plan.folder)
    await syncFolder(to)
    // A folder that was made is in its own folder's list only once that is on the disk, too.
    const top = dirname(firstMade ?? partial)
    for (let folder = to; folder !== top && folder !== dirname(folder); folder = dirname(folder))
      await syncFolder(dirname(folder))
    return manifest
  } catch (error) {
    await rm(partial, { recursive: true, force: true })
    options.signal.throwIfAborted()
    throw storageError(error, options)
  }
}

/** `16.14` */
export async function serverVersion(client: ClientBase): Promise<string> {
  const { rows } = await client.query<{ version: number }>(`SELECT current_setting('server_version_num')::int AS version`)
  const version = rows[0]!.version
  return `${Math.floor(version / 10_000)}.${version % 10_000}`
}

/** Once the snapshot of the database was taken: see `backup-sink.ts`. */
async function withSinkTables(folder: string, dumped: BackupManifest, options: BackupOptions): Promise<BackupManifest> {
  const { sink, keys, compression, now = () => new Date(), onProgress, signal } = options
  if (!sink) return dumped
  let bytes = Number(dumped.file.bytes)
  const sinks = await backUpSink({
    sink,
    folder,
    origin: dumped,
    keys,
    compression,
    onProgress: (tables, written) => {
      bytes += written
      const { length } = sink.tables
      onProgress?.({ stage: 'exporting', tables, ofTables: length, bytes, work: null, sinkTables: length })
    },
    signal,
  })
  return { ...dumped, sinks: [...sinks], finishedAt: now().toISOString() }
}

async function dumpInto(folder: string, plan: BackupPlan, options: BackupOptions): Promise<BackupManifest> {
  const { system, target, tool, keys, compression, now = () => new Date(), onProgress, signal } = options
  const startedAt = now().toISOString()
  const encryption = keys === null ? null : ({ algorithm: 'aes-256-gcm', key: keys.current } as const)
  const sinkTables = plan.sinkTables.length
  return withConnection(target, SESSION, async (client) => {
    // A policy that hides rows is an error here, as it is for pg_dump.
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL row_security = off')
    await client.query('SET LOCAL idle_in_transaction_session_timeout = 0')
    const { rows } = await client.query<{ id: string }>('SELECT pg_export_snapshot() AS id')
    const tables = await readTables(client)
    const sizes = await measureTables(client, tables)
    const ofTables = tables.length
    const contents = await readContents(client, tables, (counted) => {
      const work = { done: sum(sizes.slice(0, counted)), of: sum(sizes) }
      onProgress?.({ stage: 'counting', tables: counted, ofTables, bytes: 0, work, sinkTables })
      signal.throwIfAborted()
    })
    const progress = { tables: 0, bytes: 0 }
    const applicationName = `${SESSION.applicationName} ${randomBytes(6).toString('hex')}`
    using dump = new DumpProgress({
      client,
      applicationName,
      tables: tables.map((table, i) => ({ ...table, bytes: sizes[i]!, rows: contents.tables[i]!.rows })),
      onWork: () => tell(),
    })
    let stage: BackupProgress['stage'] = 'dumping'
    const tell = (): void => {
      const work = stage === 'dumping' ? dump.work : null
      onProgress?.({ stage, ...progress, ofTables, work, sinkTables })
    }
    const origin = { system, database: target.name, startedAt, encryption }
    const file = new FileToStore(dumpPart(folder, origin), sealingKey(keys), (bytes) => {
      progress.bytes += bytes
      tell()
    })
    await readFromTool(
      {
        tool,
        args: [
          '--format=custom',
          '--no-password',
          '--verbose',
          `--snapshot=${rows[0]!.id}`,
          `--lock-wait-timeout=${LOCK_TIMEOUT_MS}`,
          ...(compression === undefined ? [] : [`--compress=${compression}`]),
        ],
        environment: toolEnvironment(target, applicationName),
        onStep: (step) => {
          if (step.kind !== 'rows') return
          progress.tables += 1
          dump.begin(step.table)
          tell()
        },
        failure: {
          code: 'BACKUP_FAILED',
          what: `${target.name} (${target.display}) was not backed up`,
          ways: [
            'the role must own the tables or be able to read them all: GRANT pg_read_all_data TO <role>, and BYPASSRLS where row security is on',
            `sluice backup ${target.name} --to ${options.to} --dry-run`,
          ],
        },
        signal,
      },
      (output: Readable) => {
        output.once('end', () => {
          stage = 'storing'
          tell()
        })
        return pipeline([output, ...file.stages])
      },
    )
    return {
      format: 1,
      ...origin,
      source: target.display,
      server: plan.server,
      pgDump: tool.version,
      finishedAt: now().toISOString(),
      file: file.stored,
      compression: compression ?? null,
      ...contents,
      sinks: [],
    }
  })
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

/** True for a pg_dump whose backups the same server does not take. */
export function isNewerThanServer({ pgDump, server }: Pick<BackupPlan, 'pgDump' | 'server'>): boolean {
  return majorOf(pgDump) > majorOf(server)
}

function exists(target: PostgresTarget, to: string): SluiceError {
  return new SluiceError('BACKUP_EXISTS', {
    what: `${target.name} is not backed up to ${to}`,
    why: `${backupFolder(to, target.name)} is there already, and no backup is overwritten`,
    ways: [`sluice backup ${target.name} --to ${to}-$(date +%Y%m%dT%H%M%S)`],
  })
}

/** Faults of the file system; every other as it is. */
function storageError(error: unknown, { target, to }: BackupOptions): unknown {
  if (!(error instanceof Error) || !('code' in error) || error instanceof SluiceError) return error
  if (error.code === 'ENOTEMPTY' || error.code === 'EEXIST') return exists(target, to)
  return new SluiceError('BACKUP_FAILED', {
    what: `${target.name} (${target.display}) was not backed up`,
    why: `${to} can not be written: ${String(error.code)}`,
    ways: [`df -h ${to}    and ls -ld ${to}`],
    cause: error,
  })
}
