/** The reader's role in the monolith, made as docs/operations.md says: it loads and streams, and can do nothing else. */
import { randomBytes } from 'node:crypto'
import { postgresTarget } from '@sluice/postgres'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ReaderFixture, openReaderFixture } from '../../packages/reader/test/reader-fixture.ts'
import { operationsSql } from './operations-sql.ts'

const role = `reader_${randomBytes(4).toString('hex')}`
const password = randomBytes(12).toString('hex')
let shop: ReaderFixture
let url: URL
/** A session of the role. */
let client: pg.Client

beforeAll(async () => {
  shop = await openReaderFixture('reader role')
  await shop.source.query(
    await operationsSql('shop_reader', { shop_reader: role, '…': password, sluice_shop_monolith: shop.lane.publicationName }),
  )
  await shop.source.query(`INSERT INTO customers VALUES (1, 'loaded'); INSERT INTO unwatched VALUES (1, 'private')`)
  url = new URL(shop.sourceUrl)
  ;[url.username, url.password] = [role, password]
  client = new pg.Client(url.href)
  await client.connect()
})
afterAll(async () => {
  await client.end()
  await shop.stopAll()
  await shop.source.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
  await shop.close()
})

test('a reader with the role of the page loads and streams the captured tables', async () => {
  const reader = shop.start({ source: postgresTarget('monolith', url.href) })
  await reader.next('connected')
  await shop.source.query(`INSERT INTO customers VALUES (2, 'new'); INSERT INTO unwatched VALUES (2, 'private')`)
  await shop.caughtUp(reader)
  await reader.stop()
  const events = await shop.events()
  expect(events).toHaveLength(2)
  expect(JSON.stringify(events.map(({ eventData }) => eventData))).not.toContain('private')
})

test.each([
  ['reads a table that is not captured', 'SELECT * FROM unwatched'],
  ['inserts', `INSERT INTO customers VALUES (3, 'forged')`],
  ['updates', `UPDATE customers SET name = 'forged'`],
  ['deletes', 'DELETE FROM customers'],
  ['truncates', 'TRUNCATE customers'],
  [
    'writes an event of an application',
    `INSERT INTO outbox (aggregate_type, aggregate_id, event_type, payload) VALUES ('a', 'b', 'c', '{}')`,
  ],
  ['makes a table', 'CREATE TABLE mine (id integer)'],
  ['makes a schema', 'CREATE SCHEMA mine'],
  ['changes a captured table', 'ALTER TABLE customers ADD COLUMN mine text'],
  ['makes a publication', 'CREATE PUBLICATION mine FOR TABLE customers'],
  ['makes a role', 'CREATE ROLE mine'],
  ['takes the role of the owner', 'SET ROLE postgres'],
])('the role never %s', async (_what, statement) => {
  await expect(client.query(statement)).rejects.toMatchObject({ code: '42501' })
})

test('the role takes no table into the publication, nor out of it', async () => {
  await expect(client.query(`ALTER PUBLICATION ${shop.lane.publicationName} ADD TABLE unwatched`)).rejects.toMatchObject({
    code: '42501',
  })
  await expect(client.query(`DROP PUBLICATION ${shop.lane.publicationName}`)).rejects.toMatchObject({ code: '42501' })
})
