/** Promise 10 for values that their topic is too small for: they lie in captured form, and an erasure reaches them. */
import { eraseSubject } from '@sluice/privacy'
import { expect, test } from 'vitest'
import { insertPerson, person } from './planted-people.ts'
import { plantedInDatabase, plantedInTopics } from './planted-values.ts'
import { MASTER_KEYS, PrivatePipeline } from './private-pipeline.ts'

test('a claimed value lies encrypted, is opened for who is granted it, and not once its subject was erased', async () => {
  await using pipeline = await PrivatePipeline.open('privacy_claims')
  const { monolith, crm, mail, pipeline: store } = pipeline.clients
  const people = [person('kept', 1), person('erased', 2)]
  for (const p of people) await insertPerson(monolith, p)
  const remark = (account: number): string => `PLANTED-remark-${account}${' and so on'.repeat(400)}`
  for (const { account, code } of people) {
    await monolith.query('INSERT INTO visits VALUES ($1, $2, $1, $3)', [account, code, remark(account)])
  }
  // Published, and met by no service yet: whoever reads it later reads it after the erasure.
  const first = pipeline.start({ relayLimits: { messageBytesMax: 2_000 }, services: [] })
  await pipeline.caughtUp([])
  await pipeline.until(async () => {
    const { rows } = await store.query<{ isPublished: boolean }>(
      `SELECT r.position = l.position AS "isPublished" FROM lanes l JOIN relay_progress r USING (lane)`,
    )
    return rows[0]?.isPublished === true
  })
  await first.stop()
  expect((await store.query('SELECT column_name AS c FROM claims ORDER BY position')).rows).toEqual(
    ['bio', 'bio', 'remark', 'remark'].map((c) => ({ c })),
  )
  expect(await plantedInDatabase(store, ['PLANTED-'])).toEqual([])
  expect(await plantedInTopics(pipeline.brokers, pipeline.topics, ['PLANTED-'])).toEqual([])

  const { crm: crmTarget, mail: mailTarget, pipeline: pipelineTarget } = pipeline.targets
  const places = {
    system: pipeline.shop.system,
    monolith: pipeline.targets.monolith,
    pipeline: pipelineTarget,
    services: { crm: crmTarget, mail: mailTarget },
    master: MASTER_KEYS,
  }
  await eraseSubject(places, { kind: 'person', subject: '2', requestedBy: 'test', isDryRun: false })
  pipeline.start({ relayLimits: { messageBytesMax: 2_000 } })
  await pipeline.caughtUp()
  expect((await crm.query('SELECT account, remark FROM visits ORDER BY account')).rows).toEqual([
    { account: '1', remark: remark(1) },
    { account: '2', remark: '[erased]' },
  ])
  // Who is granted nothing has the value as it lies.
  const { rows } = await mail.query<{ bio: string }>('SELECT bio FROM people')
  const { rows: claimed } = await store.query<{ value: string }>(`SELECT value FROM claims WHERE column_name = 'bio'`)
  expect(rows.map((row) => row.bio).toSorted()).toEqual(claimed.map((row) => row.value).toSorted())
  expect((await crm.query('SELECT FROM parked_events')).rows).toEqual([])
})
