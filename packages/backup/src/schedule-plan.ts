/**
 * When each database is backed up, how, and how long its backups are kept: a file of JSON that belongs to an installation, not to
 * a system's definition.
 *
 *   { "format": 1, "folder": "/backups/shop", "timeZone": "Europe/Amsterdam",
 *     "schedules": [{ "name": "nightly", "cron": "0 2 * * *", "databases": ["orders"], "keep": { "daily": 7, "weekly": 4 } }] }
 */
import { readFile } from 'node:fs/promises'
import { SluiceError } from '@sluice/core'
import { Cron } from 'croner'
import { z } from 'zod'

const many = z.number().int().min(1).max(10_000)

const Keep = z
  .strictObject({
    /** The newest ones. */
    last: many.optional(),
    /** All that are no older than days of 24 hours. */
    days: many.optional(),
    /** The newest one of each of the last days that have one; of weeks from Monday on, and of months, alike. */
    daily: many.optional(),
    weekly: many.optional(),
    monthly: many.optional(),
  })
  .refine((keep) => Object.values(keep).some((rule) => rule !== undefined), 'says nothing: last, days, daily, weekly or monthly')

const Schedule = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,62}$/, 'is not a name of a-z, 0-9, _ and -'),
  /** `monolith`, `pipeline`, and services. @default every database of the system */
  databases: z.array(z.string()).min(1).optional(),
  /** Minute, hour, day of the month, month, day of the week. */
  cron: z.string(),
  keep: Keep,
  /** Level of gzip. @default pg_dump's own */
  compression: z.number().int().min(0).max(9).optional(),
  encrypted: z.boolean().default(true),
  /** After its time, for the backup itself and what runs it. Later than that it is missing. */
  overdueAfterMinutes: z.number().int().min(1).default(120),
})

const Plan = z
  .strictObject({
    format: z.literal(1),
    /** Holds nothing but the backups of this plan. */
    folder: z.string().startsWith('/', 'is not an absolute path'),
    /** Of the times, and of the days, weeks and months that are kept. */
    timeZone: z.string().refine(isTimeZone, 'is not a time zone such as Europe/Amsterdam').default('UTC'),
    schedules: z.array(Schedule).min(1),
  })
  .superRefine(({ schedules, timeZone }, context) => {
    schedules.forEach(({ name, cron, databases = [] }, index) => {
      const refuse = (field: string, message: string): void =>
        context.addIssue({ code: 'custom', path: ['schedules', index, field], message })
      if (schedules.findIndex((other) => other.name === name) !== index) refuse('name', `"${name}" is there twice`)
      if (new Set(databases).size !== databases.length) refuse('databases', 'one is there twice')
      const fault = isTimeZone(timeZone) ? cronFault(cron, timeZone) : null
      if (fault !== null) refuse('cron', fault)
    })
  })

export type SchedulePlan = z.output<typeof Plan>
export type BackupSchedule = SchedulePlan['schedules'][number]
export type KeepRules = BackupSchedule['keep']

/** @throws SluiceError SLU-1003 with everything that is wrong with it */
export async function readSchedulePlan(file: string): Promise<SchedulePlan> {
  let content: unknown
  try {
    content = JSON.parse(await readFile(file, 'utf8'))
  } catch (cause) {
    const why = cause instanceof SyntaxError ? 'it is not JSON' : 'it can not be read'
    throw invalid(file, cause instanceof Error && 'code' in cause ? `${why}: ${String(cause.code)}` : why, cause)
  }
  const parsed = Plan.safeParse(content)
  if (parsed.success) return parsed.data
  throw invalid(file, parsed.error.issues.map((issue) => `${issue.path.join('.')} ${issue.message}`).join('\n'))
}

/** The first time of a schedule after another time. */
export function nextTime({ cron }: Pick<BackupSchedule, 'cron'>, timeZone: string, after: Date): Date {
  const next = cronOf(cron, timeZone).nextRun(after)
  if (next === null) throw new Error(`${cron} has no time after ${after.toISOString()}`)
  return next
}

function cronOf(cron: string, timeZone: string): Cron {
  return new Cron(cron, { paused: true, mode: '5-part', timezone: timeZone })
}

function cronFault(cron: string, timeZone: string): string | null {
  // The library takes a date for a pattern, too.
  if (cron.trim().split(/\s+/).length !== 5) return `"${cron}" has not five fields, as "0 2 * * *" has`
  try {
    return cronOf(cron, timeZone).nextRun() === null ? `"${cron}" is at no time` : null
  } catch (error) {
    return `"${cron}": ${error instanceof Error ? error.message : String(error)}`
  }
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

function invalid(file: string, why: string, cause?: unknown): SluiceError {
  return new SluiceError('CONFIG_INVALID', {
    what: `the backup plan ${file} can not be used`,
    why,
    ways: ['docs/operations.md, "Scheduled backups", has one to begin with'],
    cause,
  })
}
