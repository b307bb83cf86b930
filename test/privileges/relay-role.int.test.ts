/** The relay's role in the pipeline database, made as docs/operations.md says: it publishes, parks and claims, and changes no event. */
import { randomBytes, randomUUID } from 'node:crypto'
import type { Uuid } from '@sluice/core'
import type { KafkaPort } from '@sluice/kafka'
import { postgresTarget } from '@sluice/postgres'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { RelayFixture, order } from '../../packages/relay/test/relay-fixture.ts'
import { operationsSql } from './operations-sql.ts'

const role = `relay_${randomBytes(4).toString('hex')}`
const password = randomBytes(12).toString('hex')
let fixture: RelayFixture
let url: URL
/** A session of the role. */
let client: pg.Client

beforeAll(async () => {
  fixture = await RelayFixture.open()
  await fixture.client.query(await operationsSql('shop_relay', { shop_relay: role, '…': password }))
  const { config, database } = fixture.pipeline
  url = new URL(`postgresql://${role}:${password}@${config.host}:${config.port}/${database}`)
  client = new pg.Client(url.href)
  await client.connect()
})
afterAll(async () => {
  await client.end()
  await fixture.client.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
  await fixture.close()
})

/** A Kafka whose topics take messages of so many bytes at most. */
function narrow(kafka: KafkaPort): KafkaPort {
  return {
    ...kafka,
    admin: async () => ({ ...(await kafka.admin()), topicConfig: async () => ({ 'max.message.bytes': '3000' }) }),
  }
}

test('a relay with the role of the page publishes, claims what is too large, parks what can not be sent, and sends it when asked', async () => {
  const pipeline = postgresTarget('pipeline', url.href)
  const aggregateId = randomUUID() as Uuid
  await fixture.commit([
    { eventData: order('1') },
    { eventData: order('2', 'long '.repeat(2_000)) },
    { aggregateId, eventData: order('3'), correlationId: 'c'.repeat(5_000) },
    { aggregateId, eventData: order('3') },
  ])
  await fixture.publishAll({ pipeline, kafka: narrow(fixture.kafka) })
  expect((await fixture.published()).map(({ position }) => position)).toEqual(expect.arrayContaining([1n, 2n]))
  expect((await fixture.client.query('SELECT FROM claims')).rowCount).toBeGreaterThan(0)
  expect((await fixture.client.query('SELECT FROM relay_parked_events')).rowCount).toBe(2)

  await fixture.ask('retry')
  await fixture.commit([{ eventData: order('4') }])
  const stop = new AbortController()
  let published = 0
  await fixture
    .relay({
      pipeline,
      onProgress: (event) => {
        if (event.kind === 'published') published += event.events
        if (published === 3) stop.abort()
      },
    })
    .run(stop.signal)
  expect((await fixture.published()).map(({ position }) => position).toSorted()).toEqual([1n, 2n, 3n, 4n, 5n])
  expect((await fixture.client.query('SELECT FROM relay_parked_events')).rowCount).toBe(0)
})

test.each([
  ['inserts an event', 'INSERT INTO event_store SELECT * FROM event_store'],
  ['changes an event', `UPDATE event_store SET event_data = '{}'`],
  ['removes an event', 'DELETE FROM event_store'],
  ['truncates the store', 'TRUNCATE event_store'],
  ['changes a link of the chain', `UPDATE event_commits SET hash = ''`],
  ['moves a lane', 'UPDATE lanes SET position = 0'],
  ['removes what is noted of retention', 'DELETE FROM event_retention'],
  ['detaches a partition', 'ALTER TABLE event_store DETACH PARTITION event_store_1'],
  ['reads the keys of persons', 'SELECT * FROM subject_keys'],
  ['reads the secrets of the system', 'SELECT * FROM system_secrets'],
  ['remembers an erasure', 'INSERT INTO subject_erasures DEFAULT VALUES'],
  ['orders a retry in the name of a person', `INSERT INTO relay_parked_commands DEFAULT VALUES`],
  ['makes a table', 'CREATE TABLE mine (id integer)'],
  ['takes the role of the owner', 'SET ROLE postgres'],
])('the role never %s', async (_what, statement) => {
  await expect(client.query(statement)).rejects.toMatchObject({ code: '42501' })
})

test('the role does not get into the monolith', async () => {
  // The page takes CONNECT on the monolith from everybody, and gives it to those who need it.
  const monolith = new pg.Client(fixture.pipeline.config)
  await monolith.connect()
  const name = `monolith_of_${role}`
  try {
    await monolith.query(`CREATE DATABASE ${name}`)
    await monolith.query(`REVOKE CONNECT ON DATABASE ${name} FROM PUBLIC`)
    url.pathname = name
    await expect(new pg.Client(url.href).connect()).rejects.toMatchObject({ code: '42501' })
  } finally {
    await monolith.query(`DROP DATABASE IF EXISTS ${name}`)
    await monolith.end()
  }
})
