import { expect, test } from 'vitest'
import { readSchedulePlan } from '@sluice/backup'
import system from './system.ts'

const PLAN = new URL('./backup-plan.json', import.meta.url)

test('every database has a schedule, encrypted, and is kept for a fortnight at least', async () => {
  const { schedules } = await readSchedulePlan(PLAN.pathname)
  const nightly = schedules.find(({ name }) => name === 'nightly')!
  expect(nightly.databases).toEqual(['monolith', 'pipeline', ...Object.keys(system.services)])
  expect(nightly.keep.daily).toBeGreaterThanOrEqual(14)
  expect(schedules.every(({ encrypted }) => encrypted)).toBe(true)
})
