/** `sluice erase` and `sluice keys rotate` as a person meets them. */
import { expect, test } from 'vitest'
import { runSluice } from '../harness/sluice-process.ts'
import { insertPerson, person } from './planted-people.ts'
import { PrivatePipeline } from './private-pipeline.ts'

test('a person is erased once the subject was typed again, and the answer names nobody', async () => {
  await using pipeline = await PrivatePipeline.open('privacy_command')
  const { monolith, crm, mail, pipeline: store } = pipeline.clients
  await insertPerson(monolith, person('command', 4711))
  const engines = pipeline.start()
  await pipeline.caughtUp()
  await engines.stop()
  const nameOf = async (): Promise<unknown> => (await crm.query('SELECT full_name FROM contacts')).rows
  const clear = [{ full_name: 'PLANTED-name-command' }]
  const env = pipeline.environment

  const unconfirmed = await runSluice(['erase', '4711'], env)
  expect([unconfirmed.code, unconfirmed.stderr]).toEqual([5, expect.stringContaining('SLU-1006')])
  const mistyped = await runSluice(['erase', '4711', '--confirm', '4712'], env)
  expect([mistyped.code, await nameOf()]).toEqual([5, clear])
  const unknownKind = await runSluice(['erase', '4711', '--kind', 'supplier', '--confirm', '4711'], env)
  expect([unknownKind.code, unknownKind.stderr]).toEqual([2, expect.stringContaining('its kinds are person')])
  const noNumber = await runSluice(['erase', 'Ada', '--confirm', 'Ada'], env)
  expect([noNumber.code, noNumber.stderr]).toEqual([2, expect.stringContaining('its column is bigint')])
  const withoutKey = await runSluice(['erase', '4711', '--confirm', '4711'], { ...env, SLUICE_MASTER_KEY: '' })
  expect([withoutKey.code, withoutKey.stderr]).toEqual([2, expect.stringContaining('SLU-8001')])
  const planned = await runSluice(['erase', ' 04711', '--dry-run', '--json'], env)
  expect([planned.code, await nameOf()]).toEqual([0, clear])
  // Another spelling of the number is the same person.
  expect(JSON.parse(planned.stdout)).toMatchObject({ result: { dryRun: true, key: 'destroyed' } })

  const rotated = await runSluice(['keys', 'rotate', '--json'], env)
  expect([rotated.code, JSON.parse(rotated.stdout)]).toMatchObject([0, { result: { wrapped: 0, masterKey: 'new' } }])

  const erased = await runSluice(['erase', '4711', '--confirm', '4711', '--json'], env)
  expect([erased.code, await nameOf()]).toEqual([0, [{ full_name: '[erased]' }]])
  const { rows } = await store.query<{ subject_id: string }>('SELECT subject_id FROM subject_keys WHERE wrapped_key IS NULL')
  expect(JSON.parse(erased.stdout)).toMatchObject({ result: { dryRun: false, subjectId: rows[0]!.subject_id, key: 'destroyed' } })
  expect(erased.stdout).not.toContain('4711')

  // A database that was restored from before gets it again: by itself when it is provisioned, or at once.
  await mail.query('DELETE FROM erased_subjects')
  const provisioned = await runSluice(['provision', '--json'], env)
  expect([provisioned.code, (await mail.query('SELECT FROM erased_subjects')).rowCount]).toEqual([0, 1])
  await crm.query('DELETE FROM erased_subjects')
  const asked = await runSluice(['erase', '--recorded', '--dry-run', '--json'], env)
  expect(JSON.parse(asked.stdout)).toMatchObject({ result: { dryRun: true, missing: [{ place: 'crm', subjects: 1 }] } })
  expect((await crm.query('SELECT FROM erased_subjects')).rowCount).toBe(0)
  const again = await runSluice(['erase', '--recorded', '--json'], env)
  expect([again.code, JSON.parse(again.stdout)]).toMatchObject([0, { result: { applied: [{ place: 'crm', subjects: 1 }] } }])
  const nothing = await runSluice(['erase', '--recorded', '--json'], env)
  expect(JSON.parse(nothing.stdout)).toMatchObject({ result: { applied: [] } })
})
