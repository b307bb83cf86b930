import { Kafka, logLevel } from 'kafkajs'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { RunningServers } from '../src/running-servers.ts'
import { KAFKA_SETTINGS_FOR_KILLS, POSTGRES_SETTINGS } from '../src/server-settings.ts'
import { startServers } from '../src/start-servers.ts'

let servers: RunningServers

beforeAll(async () => {
  servers = await startServers({
    monolith: { settings: { wal_level: 'replica' } },
    pipeline: true,
    kafka: { settings: KAFKA_SETTINGS_FOR_KILLS },
    useContainers: false,
  })
})

afterAll(async () => {
  await servers.stop()
})

test('PostgreSQL has the settings of server-settings.ts, and those that the caller overrides', async () => {
  const names = Object.keys(POSTGRES_SETTINGS)
  const select = `SELECT name, current_setting(name) AS value FROM pg_settings WHERE lower(name) = ANY($1)`
  const pipeline = await query<{ name: string; value: string }>(servers.pipeline.url, select, [names])
  expect(Object.fromEntries(pipeline.map(({ name, value }) => [name.toLowerCase(), value]))).toEqual(POSTGRES_SETTINGS)
  const monolith = await query<{ value: string }>(servers.monolith.url, `SELECT current_setting('wal_level') AS value`)
  expect(monolith).toEqual([{ value: 'replica' }])
})

test.each(['restart', 'kill9'] as const)('what PostgreSQL committed is there after %s, on the same port', async (fault) => {
  const { pipeline } = servers
  await query(pipeline.url, `CREATE TABLE ${fault}_kept AS SELECT 1 AS n`)
  if (fault === 'restart') {
    await pipeline.restart()
  } else {
    await pipeline.kill9()
    await expect(query(pipeline.url, 'SELECT 1')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
    await pipeline.start()
  }
  expect(await query(pipeline.url, `SELECT n FROM ${fault}_kept`)).toEqual([{ n: 1 }])
})

test('Kafka keeps topics over a stop and a kill -9', async () => {
  const { kafka } = servers
  await withAdmin(kafka.url, (admin) =>
    admin.createTopics({ topics: [{ topic: 'kept', numPartitions: 3 }], waitForLeaders: true }),
  )
  await kafka.stop()
  await kafka.start()
  await kafka.kill9()
  await kafka.start()
  const topics = await withAdmin(kafka.url, (admin) => admin.listTopics())
  expect(topics).toContain('kept')
})

test('a topic is not made by naming it', async () => {
  await withAdmin(servers.kafka.url, async (admin) => {
    await expect(admin.fetchTopicMetadata({ topics: ['never-created'] })).rejects.toMatchObject({
      type: 'UNKNOWN_TOPIC_OR_PARTITION',
    })
  })
})

test('a server that was given by URL is neither stopped nor started', async () => {
  const given = await startServers({ pipeline: { url: servers.pipeline.url } })
  await expect(given.pipeline.stop()).rejects.toMatchObject({ code: 'SERVER_START_FAILED' })
  await given.stop()
  expect(await query(servers.pipeline.url, 'SELECT 1 AS n')).toEqual([{ n: 1 }])
})

test('a server that does not start says why, with the end of its log, and leaves nothing running', async () => {
  const start = startServers({ monolith: { settings: { max_connections: 'many' } }, useContainers: false })
  await expect(start).rejects.toMatchObject({
    code: 'SERVER_START_FAILED',
    why: expect.stringContaining('max_connections') as string,
  })
})

async function query<T extends pg.QueryResultRow>(url: string, sql: string, values: unknown[] = []): Promise<T[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query<T>(sql, values)).rows
  } finally {
    await client.end()
  }
}

async function withAdmin<T>(brokers: string, work: (admin: ReturnType<Kafka['admin']>) => Promise<T>): Promise<T> {
  const admin = new Kafka({ brokers: [brokers], clientId: 'test', logLevel: logLevel.NOTHING, retry: { retries: 2 } }).admin()
  await admin.connect()
  try {
    return await work(admin)
  } finally {
    await admin.disconnect()
  }
}
