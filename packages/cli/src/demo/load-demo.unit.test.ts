import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { builtInDemos } from '../system-file.ts'
import { loadDemo } from './load-demo.ts'

test.each(builtInDemos())('%s can be shown: it has a monolith, and every captured table has sample rows', async (name) => {
  const { system, demo } = await loadDemo(name)
  expect(system.name).toBe(name)
  expect(system.monolith.migrations).toBeDefined()
  expect(new Set(demo.changes.keys())).toEqual(new Set(system.monolith.tables))
})

test('a system can be named by the path of its definition', async () => {
  const file = fileURLToPath(new URL('../../../../schemas/medcontracthub/system.ts', import.meta.url))
  expect((await loadDemo(file)).system.name).toBe('medcontracthub')
})

test.each([
  ['nowhere', /nowhere\/system\.ts does not exist$/],
  ['bookshop', /it has no .*bookshop\/demo\.ts$/],
])('of %s there is no demo: a usage error that lists those that there are', async (name, why) => {
  await expect(loadDemo(name)).rejects.toMatchObject({
    code: 'USAGE',
    exitCode: 2,
    what: `there is no demo of "${name}"`,
    why: expect.stringMatching(why) as string,
    ways: builtInDemos().map((known) => `sluice demo --system ${known}`),
  })
})
