import { createHash, randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { createClient } from '@clickhouse/client'
import type { RowText } from '@sluice/core'
import { type Clickhouse, startClickhouse } from '@sluice/infra'
import type { SinkRow, SinkedRow } from '@sluice/sink'
import { bigint, clickhouseEvents, numeric, table, text, timestamptz, topic, uuid } from '@sluice/system'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ClickhouseSink, clickhouseTarget } from '../src/index.ts'

const source = table('readings', {
  aggregate: 'Reading',
  key: ['id'],
  topic: topic('lab.readings', { partitions: 1 }),
  columns: { id: uuid(), note: text().nullable(), amount: numeric(14, 2).nullable(), taken_at: timestamptz(), count: bigint() },
})
const readings = clickhouseEvents(source, {
  into: 'readings',
  structure: new URL('./readings.sql', import.meta.url),
  columns: (c, e) => ({ kind: e.eventType, note: c.note, amount: c.amount, taken_at: c.taken_at, count: c.count }),
})

const TYPES = ['word', 'story', 'id', 'count', 'amount', 'is_new', 'ratio', 'day', 'birthday', 'at', 'at_micros'] as const
const typed = table('typed', {
  aggregate: 'Typed',
  key: ['id'],
  topic: topic('lab.typed', { partitions: 1 }),
  columns: Object.fromEntries(TYPES.map((name) => [name, text()])),
})
const everyType = clickhouseEvents(typed, {
  into: 'every_type',
  structure: new URL('./every-type.sql', import.meta.url),
  columns: () => typed.refs,
})

let server: Clickhouse
let sink: ClickhouseSink
let database: string

/** The first time, the server is downloaded. */
const DOWNLOAD_MS = 600_000

beforeAll(async () => {
  server = await startClickhouse()
}, DOWNLOAD_MS)

afterAll(async () => {
  await server.remove()
})

/** A database of its own. */
async function fresh(): Promise<void> {
  database = `sluice_test_${randomBytes(6).toString('hex')}`
  sink = new ClickhouseSink(clickhouseTarget('SLUICE_LAB_CLICKHOUSE_URL', `${server.url}/${database}`), [readings, everyType])
  await sink.make(readings)
  await sink.make(everyType)
  await sink.open()
}

const id = (n: number): string => `00000000-0000-5000-8000-${String(n).padStart(12, '0')}`

function row(position: number, values: RowText): SinkRow {
  return {
    table: readings,
    eventId: id(position),
    eventType: 'ReadingCreated',
    lane: 1,
    position: BigInt(position),
    op: 'c',
    committedAtMicros: 1_700_000_000_123_456n,
    aggregateId: id(7),
    aggregateKey: null,
    values,
  }
}

async function collapsed(of = readings): Promise<readonly SinkedRow[]> {
  const rows: SinkedRow[] = []
  for await (const page of sink.read(of)) rows.push(...page)
  return rows
}

async function query(text: string): Promise<unknown> {
  const { username, password, origin } = new URL(server.url)
  const client = createClient({ url: origin, username, password, database })
  try {
    return await (await client.query({ query: text, format: 'JSONEachRow' })).json()
  } finally {
    await client.close()
  }
}

test('tables are made once, from the file of the service, and a table of another form is refused before anything is written', async () => {
  await fresh()
  const other = new ClickhouseSink(clickhouseTarget('X', `${server.url}/${database}_none`), [readings])
  expect(await other.missing()).toEqual([readings])
  await expect(other.open()).rejects.toMatchObject({ number: 'SLU-5103' })
  await other.close()
  await sink.make(readings)
  expect(await sink.missing()).toEqual([])

  await query('ALTER TABLE readings MODIFY COLUMN amount Nullable(Float32)')
  await expect(sink.open()).rejects.toMatchObject({ number: 'SLU-5103', why: /amount is Nullable\(Float32\)/ })
  await sink.close()
})

test('values come back as they went in, and what the event did not have is named, never NULL', async () => {
  await fresh()
  const note = 'tab\t, "quote", \\ and \u2028 ☃ 😀\n'
  const first = {
    kind: 'ReadingCreated',
    note,
    amount: '-123456789012.10',
    taken_at: '1969-12-31 23:59:59.999999+00',
    count: '-9007199254740993',
  }
  await sink.write([
    row(1, first),
    row(2, { note: null, amount: null, taken_at: '2024-02-29 00:00:00+00', count: '1' }),
    row(3, {}),
  ])
  expect(
    await query(`SELECT note, toString(amount) AS amount, toString(taken_at) AS taken_at, toString(count) AS count, unavailable,
      toString(committed_at) AS committed_at FROM readings FINAL ORDER BY position`),
  ).toEqual([
    {
      note,
      amount: '-123456789012.1',
      taken_at: '1969-12-31 23:59:59.999999',
      count: '-9007199254740993',
      unavailable: [],
      committed_at: '2023-11-14 22:13:20.123456',
    },
    expect.objectContaining({ note: null, amount: null, unavailable: ['kind'] }),
    expect.objectContaining({
      unavailable: ['kind', 'note', 'amount', 'taken_at', 'count'],
      taken_at: '2023-11-14 22:13:20.123456',
    }),
  ])
  await sink.close()
})

test('what is read to be compared is what was written, in the form of its type; a long text is its digest', async () => {
  await fresh()
  const story = 'ὦ ξεῖν’, ἀγγέλλειν Λακεδαιμονίοις'
  const values = {
    word: null,
    story,
    id: id(3),
    count: '18446744073709551615',
    amount: '-0.10',
    is_new: 't',
    ratio: '1e-07',
    day: '2149-06-06',
    birthday: '1900-01-01',
    at: '2106-02-07 06:28:15+00',
    at_micros: '1969-12-31 23:59:59.12+00',
  }
  const first = { ...row(1, values), table: everyType }
  await sink.write([first, { ...row(2, { word: 'x'.repeat(63), story: 'x'.repeat(64) }), table: everyType, op: 'd' }])
  const rows = await collapsed(everyType)
  const committed_at = '2023-11-14 22:13:20.123456'
  const digest = (of: string): string => `sha256:${createHash('sha256').update(of).digest('hex')}`
  expect(rows).toEqual([
    {
      eventId: id(1),
      aggregateId: id(7),
      lane: 1,
      position: 1n,
      values: {
        ...values,
        op: 'c',
        committed_at,
        story: digest(story),
        amount: '-0.1',
        is_new: 'true',
        ratio: '1e-7',
        at: '2106-02-07 06:28:15',
        at_micros: '1969-12-31 23:59:59.120000',
      },
    },
    expect.objectContaining({ values: { op: 'd', committed_at, word: 'x'.repeat(63), story: digest('x'.repeat(64)) } }),
  ])
  const { committed_at: time, count, amount, is_new, ratio, at, at_micros, ...others } = sink.forms(everyType)
  expect([time, at, at_micros]).toEqual(['time', 'time', 'time'])
  expect([count, amount, ratio, is_new]).toEqual(['number', 'number', 'double', 'boolean'])
  expect(new Set(Object.values(others))).toEqual(new Set(['text']))
  await sink.close()
})

test('what the table can not hold exactly is refused by name, before anything is written', async () => {
  await fresh()
  const refused = await sink.refusals([
    row(1, { amount: '1.00' }),
    row(2, { amount: '0.001' }),
    row(3, { amount: 'NaN' }),
    row(4, { taken_at: 'infinity' }),
    row(5, { count: null }),
  ])
  expect(refused.map((r) => [r.eventId, r.column])).toEqual([
    [id(2), 'amount'],
    [id(3), 'amount'],
    [id(4), 'taken_at'],
    [id(5), 'count'],
  ])
  expect(await collapsed()).toEqual([])
  await sink.close()
})

test('a constraint of the table refuses one row; those before it are written, none after it', async () => {
  await fresh()
  const rows = [1, 2, 3, 4, 5].map((n) => row(n, { count: n === 3 ? '1000000' : String(n) }))
  expect((await sink.write(rows)).map((r) => r.eventId)).toEqual([id(3)])
  expect((await collapsed()).map((r) => r.position)).toEqual([1n, 2n])
  await sink.close()
})

test('repeats collapse, and what was answered is there after kill -9; while the server is away it says so', async () => {
  await fresh()
  const rows = Array.from({ length: 500 }, (_, i) =>
    row(i + 1, { taken_at: `20${10 + (i % 20)}-0${1 + (i % 9)}-01 00:00:00+00`, count: '1' }),
  )
  await sink.write(rows)
  // A server that was given belongs to somebody else.
  if (server.control) {
    await server.control.kill9()
    await expect(sink.write(rows)).rejects.toMatchObject({ number: 'SLU-5101' })
    await server.control.start()
  }
  await sink.write(rows)
  const held = await collapsed()
  expect(held.map((r) => r.eventId)).toEqual(rows.map((r) => r.eventId))
  await sink.close()
})

test('what is exported is imported equal, each event once; importing it again changes nothing', async () => {
  await fresh()
  const rows = [
    row(1, {
      note: 'tab\t "quote" \\ \u2028 ☃\n',
      amount: '-123456789012.10',
      taken_at: '1969-12-31 23:59:59.999999+00',
      count: '9',
    }),
    row(2, { note: null, amount: null, taken_at: '2024-10-27 01:30:00+00', count: '-9007199254740993' }),
    row(3, {}),
  ]
  await sink.write(rows)
  await sink.write(rows)
  // What the service team has beside: a value in a zone with summer time, one that is no number, and one that the table computes.
  await query(`ALTER TABLE readings ADD COLUMN zoned DateTime('Europe/Amsterdam') DEFAULT taken_at, ADD COLUMN ratio Float64 DEFAULT nan,
    ADD COLUMN shout String MATERIALIZED upper(kind)`)
  const chunks: Buffer[] = []
  for await (const chunk of sink.exportRows(readings, new AbortController().signal)) chunks.push(chunk)
  const every = 'SELECT *, shout, toUnixTimestamp(zoned) AS zone FROM readings FINAL ORDER BY position'
  const before = await query(every)
  expect(await sink.count(readings)).toBe(3n)
  await query('TRUNCATE TABLE readings')

  for (let time = 0; time < 2; time++) {
    await sink.importRows(readings, Readable.from(chunks))
    expect(await query(every)).toEqual(before)
    expect(await sink.count(readings)).toBe(3n)
  }
  await query('ALTER TABLE readings DROP COLUMN ratio')
  await expect(sink.importRows(readings, Readable.from(chunks))).rejects.toMatchObject({ number: 'SLU-5102' })
  await sink.close()
})

test('a wrong password is no reason to try again', async () => {
  await fresh()
  const url = new URL(`${server.url}/${database}`)
  url.password = 'wrong'
  const other = new ClickhouseSink(clickhouseTarget('X', url.toString()), [readings])
  await expect(other.open()).rejects.toMatchObject({ number: 'SLU-5102', what: expect.not.stringContaining('wrong') as unknown })
  await other.close()
  await sink.close()
})
