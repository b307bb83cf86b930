/** The plan of backups that each system comes with. */
import { fileURLToPath } from 'node:url'
import { loadSystem } from '@sluice/system'
import { expect, test } from 'vitest'
import { readSchedulePlan } from '../src/index.ts'

test.each(['rmbrain', 'llama_mapper', 'nanopore', 'medcontracthub', 'acgs'])(
  'every database of %s is backed up each night, encrypted, and kept for a fortnight at least',
  async (name) => {
    const folder = new URL(`../../../schemas/${name}/`, import.meta.url)
    const { services } = await loadSystem('./system.ts', folder)
    const all = ['monolith', 'pipeline', ...Object.keys(services)]
    const { schedules } = await readSchedulePlan(fileURLToPath(new URL('backup-plan.json', folder)))
    const nightly = schedules.find((schedule) => schedule.name === 'nightly')!
    // A schedule that names no databases has all of them.
    expect((nightly.databases ?? all).toSorted()).toEqual(all.toSorted())
    expect(nightly.keep.daily).toBeGreaterThanOrEqual(14)
    expect(schedules.every(({ encrypted }) => encrypted)).toBe(true)
    expect(all).toEqual(expect.arrayContaining(schedules.flatMap(({ databases = [] }) => databases)))
  },
)
