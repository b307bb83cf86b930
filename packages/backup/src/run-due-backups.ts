/**
 * One run over a plan: of every schedule and database it makes the backup that is due, verifies it, and then removes what retention
 * lets go.
 *
 * D1  Due is a database whose newest whole backup was begun before the schedule's last time, or which has none. So a time that was
 *     missed is made up for once, and a backup that failed or came out damaged is tried again with every run.
 * D2  What was not verified counts for nothing: neither as made, nor as kept. Who was killed between backup and verification is
 *     followed by a run that verifies it.
 * D3  Nothing is removed but whole backups, after the one that was due is whole, and never the newest. Damaged ones stay, and every
 *     run names them.
 * D4  One run at a time works on a schedule's database, by an advisory lock in it (`schedule-lock.ts`).
 * D5  A fault of one database keeps no other one from its backup.
 */
import { SluiceError, isSluiceError, shellQuoted, toSluiceError } from '@sluice/core'
import type { PostgresTarget } from '@sluice/postgres'
import type { MasterKeys } from '@sluice/privacy'
import { type BackupProgress, backUpAsPlanned, planBackup } from './backup-database.ts'
import type { ServiceSink } from './backup-sink.ts'
import { type SchedulePlan, type BackupSchedule, nextTime } from './schedule-plan.ts'
import { type BackupTool, assertGoesBack, assertReads } from './backup-tool.ts'
import { backupFolder } from './manifest.ts'
import { backupsLetGo } from './retention.ts'
import { withScheduleLock } from './schedule-lock.ts'
import {
  type BackupPlace,
  type ScheduledBackup,
  findBackups,
  placeFor,
  removeBackup,
  removeLeftovers,
} from './scheduled-backups.ts'
import { writeVerification } from './verification.ts'
import { assertWhole } from './verify-backups.ts'

export interface DueOptions {
  readonly system: string
  readonly plan: SchedulePlan
  /** Every database of the system that the plan names, by its name. */
  readonly targets: Readonly<Record<string, PostgresTarget>>
  /** Of the services whose sink is backed up with them, by their names. */
  readonly sinks: Readonly<Record<string, ServiceSink>>
  /** pg_dump and pg_restore. */
  readonly tools: { readonly dump: BackupTool; readonly restore: BackupTool }
  readonly keys: MasterKeys | null
  readonly now: () => Date
  readonly onProgress?: (progress: DueProgress) => void
  readonly signal: AbortSignal
}

export interface DueProgress {
  readonly schedule: string
  readonly database: string
  readonly stage: 'verifying' | 'removing' | BackupProgress
}

/** What a schedule has of one database. */
export interface ScheduleState {
  readonly schedule: string
  readonly database: string
  /** The newest that is whole. */
  readonly newest: { readonly startedAt: Date; readonly root: string } | null
  /** When the next one is to be made; past or now: it is due. */
  readonly dueAt: Date
  readonly isDue: boolean
  /** Later than the plan allows. */
  readonly isOverdue: boolean
  readonly whole: number
  /** Folders of those that were not checked, and of those that are damaged. */
  readonly unverified: readonly string[]
  readonly damaged: readonly string[]
}

export interface ScheduleRun {
  readonly schedule: string
  readonly database: string
  /** Folder of the backup that was made; null: none was. */
  readonly made: string | null
  /** Folders of those that were removed. */
  readonly removed: readonly string[]
  /** As it is afterwards; null where that is not known. */
  readonly state: ScheduleState | null
  /** What went wrong with it. */
  readonly error: SluiceError | null
}

export interface PlannedRun extends ScheduleState {
  /** Folders that would be removed, once what is due was made and is whole. */
  readonly removed: readonly string[]
}

/** Databases that a plan backs up, each once. */
export function databasesOf(plan: SchedulePlan, all: readonly string[]): readonly string[] {
  return [...new Set(plan.schedules.flatMap(({ databases }) => databases ?? all))]
}

/**
 * What the backups of a plan are like, by what is on the disk. Nothing is changed, and no database is asked.
 *
 * @throws faults of the file system
 */
export async function backupStates(
  { system, plan, now }: Pick<DueOptions, 'system' | 'plan'> & { readonly now: Date },
  databases: readonly string[],
): Promise<readonly PlannedRun[]> {
  const states: PlannedRun[] = []
  for (const { schedule, place } of unitsOf(plan, system, databases)) {
    const backups = await findBackups(place)
    const state = stateOf(plan, schedule, place, backups, now)
    const whole = wholeOf(backups)
    const after = state.isDue ? [...whole, { startedAt: now, root: placeFor(place, now) }] : whole
    const removed = backupsLetGo(after, schedule.keep, { now, timeZone: plan.timeZone })
    states.push({ ...state, removed: removed.map(({ root }) => backupFolder(root, place.database)) })
  }
  return states
}

/** @throws SluiceError SLU-1002 if a backup is to be encrypted and there is no key; the signal's reason. All else is in the result. */
export async function runDueBackups(options: DueOptions): Promise<readonly ScheduleRun[]> {
  const { plan, system, targets, keys, signal } = options
  assertKeys(plan, keys)
  const runs: ScheduleRun[] = []
  for (const { schedule, place } of unitsOf(plan, system, Object.keys(targets))) {
    signal.throwIfAborted()
    runs.push(await runOne(options, schedule, place))
  }
  return runs
}

async function runOne(options: DueOptions, schedule: BackupSchedule, place: BackupPlace): Promise<ScheduleRun> {
  const { plan, targets, now, onProgress, signal } = options
  const target = targets[place.database]!
  const tell = (stage: DueProgress['stage']): void => onProgress?.({ schedule: schedule.name, database: place.database, stage })
  const result: { made: string | null; removed: string[]; state: ScheduleState | null } = { made: null, removed: [], state: null }
  const about = { schedule: schedule.name, database: place.database }
  try {
    await withScheduleLock(target, place, async (assertHeld) => {
      const look = async (): Promise<readonly ScheduledBackup[]> => {
        const found = await findBackups(place)
        result.state = stateOf(plan, schedule, place, found, now())
        return found
      }
      await removeLeftovers(place)
      const faults: SluiceError[] = []
      for (const backup of await look()) {
        if (backup.state !== 'unverified') continue
        tell('verifying')
        await verify(options, backup, place).catch((error: unknown) => {
          signal.throwIfAborted()
          // Its key may be gone for ever: that must not keep new backups from being made.
          faults.push(toSluiceError(error))
        })
      }
      await look()
      if (result.state!.isDue) result.made = await make(options, schedule, place, tell)
      const backups = await look()
      if (faults.length > 0) throw faults[0]!
      for (const backup of backupsLetGo(wholeOf(backups), schedule.keep, { now: now(), timeZone: plan.timeZone })) {
        signal.throwIfAborted()
        await assertHeld()
        tell('removing')
        await removeBackup(backup, place)
        result.removed.push(backupFolder(backup.root, place.database))
      }
      await look()
      assertNoneDamaged(backups, place)
    })
    return { ...about, ...result, error: null }
  } catch (error) {
    signal.throwIfAborted()
    return { ...about, ...result, error: faultOf(error, place) }
  }
}

/** @returns the folder of the backup, which is whole */
async function make(
  options: DueOptions,
  schedule: BackupSchedule,
  place: BackupPlace,
  tell: (stage: DueProgress['stage']) => void,
): Promise<string> {
  const { system, targets, sinks, tools, keys, now, signal } = options
  const sink = sinks[place.database] ?? null
  const root = placeFor(place, now())
  const backup = {
    system,
    target: targets[place.database]!,
    sink,
    to: root,
    tool: tools.dump,
    keys: schedule.encrypted ? keys : null,
    ...(schedule.compression === undefined ? {} : { compression: schedule.compression }),
    now,
    onProgress: tell,
    signal,
  }
  // Before anything is made: a backup that nothing here can restore is none.
  const planned = await planBackup(backup)
  assertGoesBack(tools.dump, place.database, planned.server)
  assertReads(tools.restore, tools.dump.version)
  const manifest = await backUpAsPlanned(planned, backup)
  tell('verifying')
  await verify(options, { root, manifest }, place)
  return backupFolder(root, place.database)
}

/** Writes down what it finds. What only kept it from being checked is thrown, and nothing is written: the next run checks again. */
async function verify(
  { tools, keys, now, signal }: DueOptions,
  { root, manifest }: Pick<Extract<ScheduledBackup, { state: 'unverified' }>, 'root' | 'manifest'>,
  { database }: BackupPlace,
): Promise<void> {
  const folder = backupFolder(root, database)
  const found = { format: 1, verifiedAt: now().toISOString(), pgRestore: tools.restore.version } as const
  try {
    await assertWhole({ root, manifest, keys }, tools.restore, signal)
  } catch (error) {
    if (isSluiceError(error, 'BACKUP_DAMAGED')) await writeVerification(folder, { ...found, damage: error.why })
    throw error
  }
  await writeVerification(folder, { ...found, damage: null })
}

interface Unit {
  readonly schedule: BackupSchedule
  readonly place: BackupPlace
}

function unitsOf(plan: SchedulePlan, system: string, all: readonly string[]): readonly Unit[] {
  return plan.schedules.flatMap((schedule) =>
    (schedule.databases ?? all).map((database) => ({
      schedule,
      place: { folder: plan.folder, system, schedule: schedule.name, database },
    })),
  )
}

function stateOf(
  { timeZone }: SchedulePlan,
  schedule: BackupSchedule,
  { database }: BackupPlace,
  backups: readonly ScheduledBackup[],
  now: Date,
): ScheduleState {
  const whole = wholeOf(backups)
  // One that is from the future must not keep others from being made.
  const newest = whole.findLast(({ startedAt }) => startedAt <= now) ?? null
  const dueAt = newest === null ? now : nextTime(schedule, timeZone, newest.startedAt)
  const overdueMs = schedule.overdueAfterMinutes * 60_000
  const foldersThatAre = (state: ScheduledBackup['state']): readonly string[] =>
    backups.filter((backup) => backup.state === state).map(({ root }) => backupFolder(root, database))
  return {
    schedule: schedule.name,
    database,
    newest: newest && { startedAt: newest.startedAt, root: newest.root },
    dueAt,
    isDue: dueAt <= now,
    isOverdue: newest === null || dueAt.getTime() + overdueMs < now.getTime(),
    whole: whole.length,
    unverified: foldersThatAre('unverified'),
    damaged: foldersThatAre('damaged'),
  }
}

function wholeOf(backups: readonly ScheduledBackup[]): readonly Extract<ScheduledBackup, { state: 'whole' }>[] {
  return backups.filter((backup) => backup.state === 'whole')
}

function assertNoneDamaged(backups: readonly ScheduledBackup[], { database }: BackupPlace): void {
  const damaged = backups.filter((backup) => backup.state === 'damaged')
  if (damaged.length === 0) return
  throw new SluiceError('BACKUP_DAMAGED', {
    what: `${damaged.length} older ${damaged.length === 1 ? 'backup' : 'backups'} of ${database} can not be used`,
    why: damaged.map(({ root, damage }) => `${backupFolder(root, database)}: ${damage}`).join('\n'),
    ways: damaged.map(({ root }) => `rm -r ${shellQuoted(backupFolder(root, database))}    once it is of no use any more`),
  })
}

function assertKeys(plan: SchedulePlan, keys: MasterKeys | null): void {
  const encrypted = plan.schedules.filter((schedule) => schedule.encrypted).map(({ name }) => name)
  if (keys !== null || encrypted.length === 0) return
  throw new SluiceError('CONFIG_MISSING', {
    what: 'there is no key to encrypt backups with',
    why: `SLUICE_BACKUP_KEY is not set, and ${encrypted.join(', ')} ${encrypted.length === 1 ? 'is' : 'are'} encrypted`,
    ways: [
      'export SLUICE_BACKUP_KEY="2026-11:$(openssl rand -base64 32)"    and keep it apart from the backups',
      'or write "encrypted": false into the plan',
    ],
  })
}

/** Faults of the file system say which folder they are of. */
function faultOf(error: unknown, { folder, schedule, database }: BackupPlace): SluiceError {
  if (error instanceof SluiceError || !(error instanceof Error) || !('code' in error)) return toSluiceError(error)
  return new SluiceError('BACKUP_FAILED', {
    what: `the backups of ${database} by schedule "${schedule}" can not be kept`,
    why: `${folder}/${schedule}: ${String(error.code)}`,
    ways: [`ls -ld ${folder} ${folder}/${schedule}    and df -h ${folder}`],
    cause: error,
  })
}
