/** Each service has a pool of its own, within its limits. */
import { once } from 'node:events'
import { type Socket, createServer } from 'node:net'
import { expect, test } from 'vitest'
import type { Transaction } from '@sluice/database-manager'
import { heldWork, metric, openServices, sessionsOf } from './service-fixture.ts'

const PRIMARY = '{service="samples",server="primary"}'

test('the least connections are open from the start, and more than the most are never opened', async () => {
  await using services = await openServices({ samples: { pool: { min: 3, max: 5 } } })
  const samples = services.databases.get('samples')
  expect(await sessionsOf(services)).toBe(3)
  let atMost = 0
  await Promise.all(
    Array.from({ length: 40 }, () =>
      samples.transaction(async (transaction) => {
        atMost = Math.max(atMost, samples.pool.borrowed)
        await transaction.query('SELECT pg_sleep(0.01)')
      }),
    ),
  )
  expect(atMost).toBe(5)
  expect(await sessionsOf(services)).toBe(5)
  expect(samples.pool).toEqual({ borrowed: 0, idle: 5, waiting: 0, max: 5 })
})

test('who waits longer than the timeout is told what holds the connections, and another service does not notice', async () => {
  await using services = await openServices({ samples: { pool: { min: 0, max: 1, timeoutMs: 1_000 } } })
  const samples = services.databases.get('samples')
  const held = heldWork()
  const holding = samples.transaction(held.work)
  await held.begun
  await expect(samples.query('SELECT 1')).rejects.toMatchObject({
    code: 'POOL_EXHAUSTED',
    what: 'no connection to service "samples" is free',
    why: expect.stringMatching(
      /^1 of 1 are borrowed, the longest for \d+ ms, 0 more wait, and none came back within 1000 ms$/,
    ) as string,
  })
  expect((await services.databases.get('ai').query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  expect(await metric(services.metrics, `sluice_service_pool_exhausted_total${PRIMARY}`)).toBe(1)
  expect(await metric(services.metrics, `sluice_service_pool_utilisation_ratio${PRIMARY}`)).toBe(1)
  held.release()
  await holding
  expect((await samples.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  expect(await metric(services.metrics, `sluice_service_pool_utilisation_ratio${PRIMARY}`)).toBe(0)
})

test('no more than a number may wait: the next one is refused at once', async () => {
  await using services = await openServices({ samples: { pool: { min: 0, max: 1, waitingMax: 1 } } })
  const samples = services.databases.get('samples')
  const held = heldWork()
  const holding = samples.transaction(held.work)
  await held.begun
  const waiting = samples.query('SELECT 2 AS two')
  expect(await metric(services.metrics, `sluice_service_pool_waiting${PRIMARY}`)).toBe(1)
  await expect(samples.query('SELECT 3')).rejects.toMatchObject({
    code: 'POOL_EXHAUSTED',
    why: expect.stringContaining('1 more wait, and no more may wait') as string,
  })
  held.release()
  await holding
  expect((await waiting).rows).toEqual([{ two: 2 }])
})

test('a connection that is old enough is closed once it is free, and not before', async () => {
  await using services = await openServices({ samples: { pool: { min: 1, max: 1, recycleMs: 1_000 } } })
  const samples = services.databases.get('samples')
  const pidIn = async (work: Pick<Transaction, 'query'>): Promise<number> =>
    (await work.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid
  const [borrowed, aged] = await samples.transaction(async (transaction) => {
    const first = await pidIn(transaction)
    await transaction.query('SELECT pg_sleep(1.1)')
    return [first, await pidIn(transaction)]
  })
  expect(aged).toBe(borrowed)
  expect(await pidIn(samples)).not.toBe(borrowed)
})

test('a connection that PostgreSQL ended is replaced, whether it was free or borrowed', async () => {
  await using services = await openServices({ samples: { pool: { min: 1, max: 1 } } })
  const samples = services.databases.get('samples')
  const end = (pid: unknown) => services.owner.query('SELECT pg_terminate_backend($1, 5000)', [pid])
  const pid = async (): Promise<unknown> => (await samples.query('SELECT pg_backend_pid() AS pid')).rows[0]!['pid']
  const first = await pid()
  expect(await pid(), 'while it is whole, it is used again').toBe(first)
  await end(first)
  // The pool may meet the end of the connection before or with the next statement.
  await samples.query('SELECT 1').catch(() => undefined)
  expect((await samples.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])

  const broken = samples.transaction(async (transaction) => {
    await end((await transaction.query('SELECT pg_backend_pid() AS pid')).rows[0]!['pid'])
    await transaction.query('INSERT INTO samples VALUES (1, $1)', ['lost'])
  })
  await expect(broken).rejects.toMatchObject({ code: 'POSTGRES_CONNECTION_LOST' })
  expect((await samples.query('SELECT FROM samples')).rowCount).toBe(0)
})

test('a transaction that a statement left open goes to nobody else', async () => {
  await using services = await openServices({ samples: { pool: { min: 0, max: 1 } } })
  const samples = services.databases.get('samples')
  await samples.query('BEGIN')
  await samples.query(`INSERT INTO samples VALUES (1, 'mine')`)
  // Without the check this one would still stand in the first one's transaction, and nothing of it would be kept.
  const { rows } = await services.owner.query('SELECT name FROM samples')
  expect(rows).toEqual([{ name: 'mine' }])
})

test('a server that does not answer is unreachable, and not an exhausted pool', async () => {
  await using services = await openServices({
    ai: { url: 'postgresql://nobody:secret@127.0.0.1:1/gone', pool: { min: 1, timeoutMs: 500 } },
  })
  await expect(services.databases.get('ai').query('SELECT 1')).rejects.toMatchObject({
    code: 'POSTGRES_UNREACHABLE',
    message: expect.not.stringContaining('secret') as string,
  })
  expect((await services.databases.get('samples').query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
})

test('a server that accepts connections and says nothing delays neither the others nor the end', async () => {
  await using silent = await openSilentServer()
  const startedAt = performance.now()
  await using services = await openServices({ ai: { url: `postgresql://nobody@127.0.0.1:${silent.port}/silent` } })
  expect((await services.databases.get('samples').query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }])
  expect(await services.databases.healthCheck()).toMatchObject({ services: { samples: true, ai: false } })
  await services.databases.close(100)
  expect(performance.now() - startedAt).toBeLessThan(20_000)
})

test('TLS is as the URL says: a server without it is refused where it is asked for', async () => {
  await using services = await openServices()
  const { ServiceDatabases } = await import('@sluice/database-manager')
  const url = `${services.urls.samples}?sslmode=verify-full`
  const secure = await ServiceDatabases.open({ applicationName: 'tls test', services: { samples: { url } } })
  try {
    await expect(secure.get('samples').query('SELECT 1')).rejects.toMatchObject({ code: 'TLS_MISSING' })
    expect(await secure.healthCheck()).toMatchObject({ status: 'unhealthy' })
  } finally {
    await secure.close()
  }
})

async function openSilentServer() {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}
