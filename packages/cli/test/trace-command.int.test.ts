/** `sluice trace` as a script meets it. */
import { createTestDatabase } from '@sluice/infra'
import { postgresTarget } from '@sluice/postgres'
import { migrateStore } from '@sluice/store'
import { expect, test } from 'vitest'
import { runSluice } from '../../../test/harness/sluice-process.ts'

test('a correlation that nobody knows: exit 4, with the message and the way to ids that there are', async () => {
  const pipeline = await createTestDatabase(process.env['SLUICE_TEST_PIPELINE_URL']!, 'trace command')
  await migrateStore(postgresTarget('pipeline', pipeline.url))
  const env = {
    SLUICE_SYSTEM: 'bookshop',
    SLUICE_PIPELINE_URL: pipeline.url,
    SLUICE_CATALOG_URL: pipeline.url,
    SLUICE_SALES_URL: pipeline.url,
  }
  const said = await runSluice(['trace', 'nobody'], env)
  expect([said.code, said.stdout, said.stderr]).toEqual([4, '', expect.stringContaining('SLU-1007')])
  expect(said.stderr).toContain('"nobody"')
  expect(said.stderr).toContain('sluice events --limit 10')
  const enveloped = await runSluice(['trace', 'nobody', '--json'], env)
  expect([enveloped.code, JSON.parse(enveloped.stdout)]).toMatchObject([4, { error: { code: 'SLU-1007' } }])
  await pipeline.drop()
})
