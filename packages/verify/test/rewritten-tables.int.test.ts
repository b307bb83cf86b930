/** A TRUNCATE, and an ALTER TABLE that rewrites, are not hidden by a snapshot: what they leave is never called equal or different. */
import { createTestDatabase } from '@sluice/infra'
import { connect, postgresTarget } from '@sluice/postgres'
import { type SystemDefinition, defineSystem, integer, mapTable, table, topic } from '@sluice/system'
import type { Client } from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ExpectedPrivacy, ExpectedTable } from '../src/expected-table.ts'
import type { TableReport } from '../src/index.ts'
import { SnapshotSession } from '../src/snapshot-session.ts'
import { DEFAULT_VERIFY_LIMITS } from '../src/verify-limits.ts'
import { verifyTable } from '../src/verify-table.ts'
import { compareDatabases } from './compare-databases.ts'

const items = table('items', { columns: { id: integer() }, key: ['id'], aggregate: 'Item', topic: topic('verify.items') })
const none = new URL('file:///none/')
const system: SystemDefinition = defineSystem({
  name: 'verify_rewritten',
  avroSchemas: none,
  monolith: { tables: [items] },
  services: { copy: { migrations: none, projections: [mapTable(items, { into: 'copied' })] } },
})

/** What the service would hold encrypted is read as it stands. */
const clearContent = ({ text }: { readonly text: string }) => ({ kind: 'clear' as const, text })

const sealedItems = (privacy: Partial<ExpectedPrivacy>): ExpectedTable => ({
  schema: 'public',
  table: 'copied',
  key: ['id'],
  columns: ['id'],
  source: 'monolith',
  queries: ['SELECT s.id FROM items AS s'],
  unverifiable: null,
  privacy: {
    dropped: [],
    sealed: [{ column: 'secret', place: 'public.items.secret' }],
    sealedQueries: ['SELECT s.id, s.secret FROM items AS s'],
    erasedQueries: [],
    ...privacy,
  },
})

let monolith: Client
let service: Client
let compareSealedTable: (privacy: Partial<ExpectedPrivacy>, beforeOpening?: () => Promise<unknown>) => Promise<TableReport>
let compare: (between?: () => Promise<unknown>) => Promise<TableReport>
const drops: (() => Promise<void>)[] = []

beforeEach(async () => {
  const source = await createTestDatabase(process.env['SLUICE_TEST_MONOLITH_URL']!, 'verify_rewritten')
  const target = await createTestDatabase(process.env['SLUICE_TEST_SERVICES_URL']!, 'verify_rewritten')
  const targets = {
    monolith: postgresTarget('monolith', source.url),
    services: { copy: postgresTarget('copy', target.url) },
  }
  monolith = await connect(targets.monolith, { applicationName: 'test' })
  service = await connect(targets.services.copy, { applicationName: 'test' })
  await monolith.query(
    `CREATE TABLE items (id integer PRIMARY KEY, secret text DEFAULT 'same'); INSERT INTO items SELECT generate_series(1, 500)`,
  )
  await service.query(
    `CREATE TABLE copied (id integer PRIMARY KEY, secret text DEFAULT 'same'); INSERT INTO copied SELECT generate_series(1, 500)`,
  )
  compare = async (between = () => Promise.resolve()) => (await compareDatabases(system, targets, between))[0]!.tables[0]!
  compareSealedTable = async (privacy, beforeOpening = () => Promise.resolve()) => {
    const { signal } = new AbortController()
    await using stack = new AsyncDisposableStack()
    const from = stack.adopt(await SnapshotSession.open(targets.monolith, { signal }), (s) => s.close())
    const to = stack.adopt(await SnapshotSession.open(targets.services.copy, { signal }), (s) => s.close())
    const stream = from.stream.bind(from)
    // Tables without a difference are streamed for their encrypted columns only.
    from.stream = async function* <Row extends object>(query: string, fetchRows: number): AsyncGenerator<Row[], undefined> {
      await beforeOpening()
      return yield* stream<Row>(query, fetchRows)
    }
    const reader = { read: (values: readonly { text: string }[]) => Promise.resolve(values.map(clearContent)) }
    return await verifyTable(from, to, sealedItems(privacy), DEFAULT_VERIFY_LIMITS, reader)
  }
  drops.push(
    () => monolith.end(),
    () => service.end(),
    () => source.drop(),
    () => target.drop(),
  )
})

afterEach(async () => {
  for (const drop of drops.splice(0)) await drop()
})

test('changes of rows under the snapshots do not disturb the comparison', async () => {
  const report = await compare(() => monolith.query('DELETE FROM items; INSERT INTO items VALUES (0)'))
  expect(report).toMatchObject({ status: 'equal', sourceRows: 500, targetRows: 500 })
})

test('two empty tables of which one was truncated are not equal, and a full one beside it is not different', async () => {
  const both = await compare(() => Promise.all([monolith.query('TRUNCATE items'), service.query('TRUNCATE copied')]))
  expect(both).toMatchObject({ status: 'unverifiable', missing: 0 })
  expect(both.reason).toMatch(/public\.items, public\.copied was truncated or rewritten/)
  await monolith.query('INSERT INTO items VALUES (1)')
  await service.query('INSERT INTO copied VALUES (1)')
  const one = await compare(() => service.query('TRUNCATE copied'))
  expect(one).toMatchObject({ status: 'unverifiable', reason: expect.stringContaining('public.copied') as string })
  expect(await compare()).toMatchObject({ status: 'different', missing: 1 })
})

test('a table that is rewritten under the snapshot says so', async () => {
  const report = await compare(() => monolith.query('ALTER TABLE items ALTER id TYPE bigint'))
  expect(report).toMatchObject({ status: 'unverifiable', reason: expect.stringContaining('public.items') as string })
})

test('no TRUNCATE comes between the clear columns and the encrypted ones: a difference there is found', async () => {
  await service.query(`UPDATE copied SET secret = 'another' WHERE id = 7; SET lock_timeout = '100ms'`)
  const truncates: unknown[] = []
  const report = await compareSealedTable({}, async () => {
    truncates.push(await service.query('TRUNCATE copied').catch((error: unknown) => error))
  })
  expect(truncates).toEqual([expect.objectContaining({ code: '55P03' })])
  expect(report).toMatchObject({ status: 'different', different: 1, examples: [{ key: ['7'], columns: ['secret'] }] })
  expect(await compareSealedTable({})).toMatchObject({ status: 'different', different: 1 })
})

test('encrypted columns that were not compared in every row of both sides are not equal', async () => {
  expect(await compareSealedTable({})).toMatchObject({ status: 'equal', comparedColumns: ['id', 'secret'] })
  const sealedQueries = ['SELECT s.id, s.secret FROM items AS s WHERE s.id > 2']
  expect(await compareSealedTable({ sealedQueries })).toMatchObject({
    status: 'unverifiable',
    reason: expect.stringContaining('498 rows, and 500') as string,
  })
})

test('a table whose encrypted columns can not be read, or whose erased rows can not be counted, is unverifiable alone', async () => {
  const absent = expect.stringContaining('"absent" does not exist') as string
  const sealedQueries = ['SELECT s.id, s.secret FROM absent AS s']
  expect(await compareSealedTable({ sealedQueries })).toMatchObject({ status: 'unverifiable', reason: absent })
  const erasedQueries = ['SELECT count(*) AS rows FROM absent']
  expect(await compareSealedTable({ erasedQueries })).toMatchObject({ status: 'unverifiable', reason: absent })
})
