/** Closing waits for what is at work, within a bound. */
import { expect, test } from 'vitest'
import { heldWork, openServices, sessionsOf } from './service-fixture.ts'

test('what is borrowed is waited for and committed; what waits, and what comes later, is refused', async () => {
  await using services = await openServices({ samples: { pool: { min: 1, max: 1 } } })
  const samples = services.databases.get('samples')
  const held = heldWork()
  const writing = samples.transaction(async (transaction) => {
    await held.work()
    await transaction.query(`INSERT INTO samples VALUES (1, 'in time')`)
  })
  await held.begun
  const waiting = samples.query('SELECT 1')
  const refusal = expect(waiting).rejects.toMatchObject({ code: 'DATABASES_CLOSED' })
  const closing = services.databases.close()
  await refusal
  await expect(samples.query('SELECT 1')).rejects.toMatchObject({ code: 'DATABASES_CLOSED' })
  held.release()
  await writing
  expect(await closing).toEqual({ abandoned: {} })
  expect((await services.owner.query('SELECT name FROM samples')).rows).toEqual([{ name: 'in time' }])
  await expect.poll(() => sessionsOf(services), { timeout: 20_000 }).toBe(0)
})

test('what does not end in time is broken off and rolled back, and counted', async () => {
  await using services = await openServices()
  const written = Promise.withResolvers<undefined>()
  const writing = services.databases.get('samples').transaction(async (transaction) => {
    await transaction.query(`INSERT INTO samples VALUES (1, 'late')`)
    written.resolve(undefined)
    await transaction.query('SELECT pg_sleep(60)')
  })
  const broken = expect(writing).rejects.toMatchObject({ code: 'POSTGRES_CONNECTION_LOST' })
  await written.promise
  const startedAt = performance.now()
  expect(await services.databases.close(100)).toEqual({ abandoned: { samples: 1 } })
  expect(performance.now() - startedAt).toBeLessThan(5_000)
  await broken
  // Asked again it answers the same.
  expect(await services.databases.close()).toEqual({ abandoned: { samples: 1 } })
  expect((await services.owner.query('SELECT FROM samples')).rowCount).toBe(0)
})
