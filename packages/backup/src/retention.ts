/** Which backups of one database a schedule lets go. A backup is kept if any of its rules keeps it. */
import type { KeepRules } from './schedule-plan.ts'

interface Taken {
  readonly startedAt: Date
}

/**
 * @param backups That were verified: no other one counts, nor is removed.
 * @returns those that no rule keeps; never the newest, and none from after `now`, which a clock that was wrong has made
 */
export function backupsLetGo<Backup extends Taken>(
  backups: readonly Backup[],
  keep: KeepRules,
  { now, timeZone }: { readonly now: Date; readonly timeZone: string },
): readonly Backup[] {
  const past = backups.filter(({ startedAt }) => startedAt <= now)
  const newestFirst = past.toSorted((a, b) => b.startedAt.getTime() - a.startedAt.getTime())
  const oldest = now.getTime() - (keep.days ?? 0) * 24 * 60 * 60 * 1000
  const dates = calendar(timeZone)
  const kept = new Set<Backup>([
    ...newestFirst.slice(0, Math.max(1, keep.last ?? 0)),
    ...(keep.days === undefined ? [] : newestFirst.filter(({ startedAt }) => startedAt.getTime() >= oldest)),
    ...newestOfEach(newestFirst, keep.daily ?? 0, (at) => dates(at)),
    ...newestOfEach(newestFirst, keep.weekly ?? 0, (at) => mondayOf(dates(at))),
    ...newestOfEach(newestFirst, keep.monthly ?? 0, (at) => dates(at).slice(0, 'YYYY-MM'.length)),
  ])
  return newestFirst.filter((backup) => !kept.has(backup))
}

function newestOfEach<Backup extends Taken>(
  newestFirst: readonly Backup[],
  periods: number,
  periodOf: (at: Date) => string,
): readonly Backup[] {
  const newest = new Map<string, Backup>()
  for (const backup of newestFirst) {
    const period = periodOf(backup.startedAt)
    if (!newest.has(period) && newest.size < periods) newest.set(period, backup)
  }
  return [...newest.values()]
}

/** The date of a time there, as YYYY-MM-DD. */
function calendar(timeZone: string): (at: Date) => string {
  const format = new Intl.DateTimeFormat('en-CA', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' })
  return (at) => format.format(at)
}

function mondayOf(date: string): string {
  const day = new Date(`${date}T00:00:00Z`)
  day.setUTCDate(day.getUTCDate() - ((day.getUTCDay() + 6) % 7))
  return day.toISOString().slice(0, 'YYYY-MM-DD'.length)
}
