import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { KeepRules } from './schedule-plan.ts'
import { backupsLetGo } from './retention.ts'

const at = (text: string) => ({ startedAt: new Date(text) })
const NOW = new Date('2026-11-21T12:00:00Z')

/** One a day at two in the morning, the newest today. */
const nightly = (nights: number) =>
  Array.from({ length: nights }, (_, n) => at(new Date(Date.UTC(2026, 10, 21 - n, 2)).toISOString()))

const kept = (backups: readonly { startedAt: Date }[], keep: KeepRules, timeZone = 'UTC') => {
  const gone = new Set(backupsLetGo(backups, keep, { now: NOW, timeZone }))
  return backups.filter((backup) => !gone.has(backup)).map(({ startedAt }) => startedAt.toISOString().slice(0, 10))
}

describe('what is kept', () => {
  test('days: all of the last days, by the hour', () => {
    expect(kept(nightly(10), { days: 3 })).toEqual(['2026-11-21', '2026-11-20', '2026-11-19'])
  })

  test('last: the newest ones, however old', () => {
    expect(kept([at('2020-01-01'), at('2021-01-01'), at('2022-01-01')], { last: 2 })).toEqual(['2021-01-01', '2022-01-01'])
  })

  test('daily, weekly and monthly: the newest of each day, week from Monday on, and month', () => {
    expect(kept(nightly(100), { daily: 3, weekly: 3, monthly: 3 })).toEqual([
      // Days; the first of them is the newest of this week and this month, too.
      '2026-11-21',
      '2026-11-20',
      '2026-11-19',
      // Sundays of the two weeks before.
      '2026-11-15',
      '2026-11-08',
      // Last days of the two months before.
      '2026-10-31',
      '2026-09-30',
    ])
  })

  test('days without a backup do not count: a week of outage costs nothing', () => {
    expect(kept([at('2026-10-01'), at('2026-10-02'), at('2026-10-03')], { daily: 2 })).toEqual(['2026-10-02', '2026-10-03'])
  })

  test('of two on one day the newer one, by the day of the time zone', () => {
    const backups = [at('2026-11-19T22:30:00Z'), at('2026-11-19T23:30:00Z'), at('2026-11-20T10:00:00Z')]
    const letGo = (timeZone: string) =>
      backupsLetGo(backups, { daily: 2 }, { now: NOW, timeZone }).map(({ startedAt }) => startedAt.toISOString())
    expect(letGo('UTC')).toEqual(['2026-11-19T22:30:00.000Z'])
    // In Amsterdam the second one is of the twentieth already.
    expect(letGo('Europe/Amsterdam')).toEqual(['2026-11-19T23:30:00.000Z'])
  })

  test('the newest stays, however old it is', () => {
    expect(kept([at('2019-01-01'), at('2020-01-01')], { days: 1 })).toEqual(['2020-01-01'])
  })

  test('one from the future stays, and does not stand for the newest', () => {
    expect(kept([at('2026-11-01'), at('2026-11-02'), at('2030-01-01')], { days: 1 })).toEqual(['2026-11-02', '2030-01-01'])
  })
})

const rule = fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined })
const rules = fc.record({ last: rule, days: rule, daily: rule, weekly: rule, monthly: rule }).map((given) => withRules(given, 0))
const times = fc.array(
  fc.date({ min: new Date('2026-06-01'), max: NOW, noInvalidDate: true }).map((startedAt) => ({ startedAt })),
)

test('whatever the rules: the newest stays, a longer rule never lets go of more, and what stayed stays at once again', () => {
  fc.assert(
    fc.property(times, rules, (backups, keep) => {
      const when = { now: NOW, timeZone: 'UTC' }
      const gone = new Set(backupsLetGo(backups, keep, when))
      const stayed = backups.filter((backup) => !gone.has(backup))
      if (backups.length > 0) {
        const newest = Math.max(...backups.map(({ startedAt }) => startedAt.getTime()))
        expect(stayed.some(({ startedAt }) => startedAt.getTime() === newest)).toBe(true)
      }
      expect(backupsLetGo(stayed, keep, when)).toEqual([])
      for (const backup of backupsLetGo(backups, withRules(keep, 1), when)) expect(gone.has(backup)).toBe(true)
    }),
  )
})

/** The rules that are given, each with so many more. */
function withRules(rules: { readonly [Rule in keyof KeepRules]?: number | undefined }, more: number): KeepRules {
  return Object.fromEntries(Object.entries(rules).flatMap(([name, value]) => (value === undefined ? [] : [[name, value + more]])))
}
