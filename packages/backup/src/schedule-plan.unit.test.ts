import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { nextTime, readSchedulePlan } from './schedule-plan.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-plan-'))
const file = join(folder, 'plan.json')
const nightly = { name: 'nightly', cron: '0 2 * * *', keep: { daily: 7 } }
const plan = { format: 1, folder: '/backups', schedules: [nightly] }

afterAll(() => rmSync(folder, { recursive: true }))

async function read(content: unknown): ReturnType<typeof readSchedulePlan> {
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
  return readSchedulePlan(file)
}

test('a plan is of every database, encrypted and in UTC, unless it says otherwise', async () => {
  expect(await read(plan)).toEqual({
    format: 1,
    folder: '/backups',
    timeZone: 'UTC',
    schedules: [{ ...nightly, encrypted: true, overdueAfterMinutes: 120 }],
  })
})

describe('what a plan can not be', () => {
  test.each([
    ['no JSON', '{', /not JSON/],
    ['in a folder that depends on where it is called', { ...plan, folder: 'backups' }, /folder is not an absolute path/],
    ['in a time zone that is none', { ...plan, timeZone: 'Mars/Base' }, /timeZone is not a time zone/],
    ['with a word that it does not know', { ...plan, schedules: [{ ...nightly, retention: 7 }] }, /retention/],
    ['kept by no rule', { ...plan, schedules: [{ ...nightly, keep: {} }] }, /schedules\.0\.keep says nothing/],
    ['kept for no day', { ...plan, schedules: [{ ...nightly, keep: { days: 0 } }] }, /keep\.days/],
    ['of two schedules with one name', { ...plan, schedules: [nightly, nightly] }, /"nightly" is there twice/],
    ['with a name that is a path', { ...plan, schedules: [{ ...nightly, name: '../x' }] }, /name is not a name/],
    ['at a time that is none', { ...plan, schedules: [{ ...nightly, cron: '61 2 * * *' }] }, /minute/],
    ['at a day that never comes', { ...plan, schedules: [{ ...nightly, cron: '0 0 30 2 *' }] }, /is at no time/],
    ['with seconds', { ...plan, schedules: [{ ...nightly, cron: '0 0 2 * * *' }] }, /five fields/],
    ['on a date', { ...plan, schedules: [{ ...nightly, cron: '2027-01-01T00:00:00' }] }, /five fields/],
  ])('%s', async (_what, content, why) => {
    await expect(read(content)).rejects.toMatchObject({ code: 'CONFIG_INVALID', why: expect.stringMatching(why) as string })
  })

  test('a file that is not there', async () => {
    await expect(readSchedulePlan(join(folder, 'none.json'))).rejects.toMatchObject({ why: 'it can not be read: ENOENT' })
  })
})

test('the next time is after the last one, once in the night in which clocks go back', () => {
  const next = (after: string) => nextTime({ cron: '30 2 * * *' }, 'Europe/Amsterdam', new Date(after)).toISOString()
  expect(next('2026-10-24T00:30:00Z')).toBe('2026-10-25T00:30:00.000Z')
  expect(next('2026-10-25T00:30:00Z')).toBe('2026-10-26T01:30:00.000Z')
})
