/** What the sink asks of Weaviate, over a stand-in. */
import { Readable } from 'node:stream'
import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Operation, RowText } from '@sluice/core'
import type { Sink, SinkRow, SinkedRow } from '@sluice/sink'
import { arrayOf, boolean, integer, table, text, topic, uuid, weaviateObjects } from '@sluice/system'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { WeaviateStandIn } from '../test/stand-in.ts'
import { deterministicEmbedder } from './deterministic-embedder.ts'
import type { Embedder } from './embedder.ts'
import { EmbeddingError } from './embedding-error.ts'
import { weaviateSink } from './weaviate-sink.ts'

const notices = table('notices', {
  aggregate: 'Notice',
  key: ['id'],
  topic: topic('test.notices'),
  columns: {
    id: uuid(),
    title: text(),
    body: text().nullable(),
    labels: arrayOf(text()),
    pages: integer().nullable(),
    is_open: boolean(),
  },
})
const A = '00000000-0000-4000-8000-00000000000a'
const B = '00000000-0000-4000-8000-00000000000b'

let folder: string
let server: WeaviateStandIn
let url: URL

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weaviate-sink-'))
  server = new WeaviateStandIn()
  url = await server.listen()
})
afterEach(async () => {
  await server.close()
  await rm(folder, { recursive: true })
})

function noticeClass(): ReturnType<typeof weaviateObjects> {
  const file = join(folder, 'notice.json')
  const types = { title: 'text', body: 'text', labels: 'text[]', pages: 'int', isOpen: 'boolean', embeddings_version: 'int' }
  const properties = Object.entries(types).map(([name, type]) => ({ name, dataType: [type] }))
  writeFileSync(file, JSON.stringify({ class: 'Notice', vectorizer: 'text2vec-transformers', properties }))
  return weaviateObjects(notices, {
    into: 'Notice',
    structure: pathToFileURL(file),
    columns: (c) => ({ title: c.title, body: c.body, labels: c.labels, pages: c.pages, isOpen: c.is_open }),
    embedded: ['title', 'body'],
  })
}

async function openSink(embedder: Embedder = deterministicEmbedder()): Promise<{ sink: Sink; row: RowMaker }> {
  const notice = noticeClass()
  const sink = weaviateSink({ tables: [notice], embedder, url })
  await sink.make(notice)
  await sink.open()
  const row: RowMaker = (op, aggregateId, position, values = {}) => ({
    table: notice,
    eventId: `event-${position}`,
    eventType: 'NoticeUpdated',
    lane: 1,
    position,
    op,
    committedAtMicros: 0n,
    aggregateId,
    aggregateKey: null,
    values: op === 'd' || op === 't' ? {} : { ...WHOLE, ...values },
  })
  return { sink, row }
}

type RowMaker = (op: Operation, aggregateId: string, position: bigint, values?: RowText) => SinkRow

const WHOLE: RowText = { title: 'Masks', body: null, labels: '{a,"b c",""}', pages: '3', isOpen: 't' }

async function contents(sink: Sink, { table }: SinkRow): Promise<readonly SinkedRow[]> {
  const rows: SinkedRow[] = []
  for await (const piece of sink.read(table)) rows.push(...piece)
  return rows
}

test('a class is made from its file, with vectors from Sluice and the properties that it needs', async () => {
  const { sink } = await openSink()
  expect(server.classes.get('Notice')).toMatchObject({ vectorizer: 'none' })
  expect(await sink.missing()).toEqual([])
  server.classes.set('Notice', { class: 'Notice', properties: [{ name: 'title', dataType: ['int'] }] })
  await expect(sink.open()).rejects.toThrow(/SLU-5103 .*title is int, text is needed/)
})

test('values come back as the text that they were, NULL apart from the empty text and the empty array', async () => {
  const { sink, row } = await openSink()
  const rows = [row('c', A, 1n), row('c', B, 2n, { title: '', labels: '{}', pages: null, isOpen: 'f' })]
  expect(await sink.refusals(rows)).toEqual([])
  expect(await sink.write(rows)).toEqual([])
  expect(await contents(sink, rows[0]!)).toEqual([
    { eventId: 'event-1', aggregateId: A, lane: 1, position: 1n, values: WHOLE },
    {
      eventId: 'event-2',
      aggregateId: B,
      lane: 1,
      position: 2n,
      values: { title: '', body: null, labels: '{}', pages: null, isOpen: 'f' },
    },
  ])
})

test('the newest position wins: rows that come again, or too late, change nothing', async () => {
  const { sink, row } = await openSink()
  const batch = [row('c', A, 1n), row('u', A, 2n, { title: 'Gloves' }), row('c', B, 3n), row('d', B, 4n)]
  await sink.write(batch)
  const first = await contents(sink, batch[0]!)
  expect(first).toMatchObject([{ aggregateId: A, position: 2n, values: { title: 'Gloves' } }])
  await sink.write(batch)
  await sink.write([row('c', A, 1n, { title: 'late' }), row('d', A, 1n)])
  expect(await contents(sink, batch[0]!)).toEqual(first)
})

test('what an update leaves out stays as the object has it; without an object the row is refused', async () => {
  const { sink, row } = await openSink()
  const update = row('u', A, 2n, { title: 'Gloves' })
  const values = Object.fromEntries(Object.entries(update.values).filter(([column]) => column !== 'body'))
  await sink.write([row('c', A, 1n, { body: 'long' })])
  expect(await sink.write([{ ...update, values }])).toEqual([])
  expect(await contents(sink, update)).toMatchObject([{ values: { title: 'Gloves', body: 'long' } }])
  expect(await sink.write([{ ...update, aggregateId: B, values }])).toMatchObject([{ eventId: 'event-2', column: 'body' }])
})

test('a truncate takes older objects and leaves newer ones', async () => {
  const { sink, row } = await openSink()
  const rows = [row('c', A, 1n), row('t', 'the table', 2n), row('c', B, 3n)]
  await sink.write(rows)
  await sink.write(rows.slice(0, 2))
  expect(await contents(sink, rows[0]!)).toMatchObject([{ aggregateId: B }])
})

test('an array with a NULL is refused by its column, without its value', async () => {
  const { sink, row } = await openSink()
  const refusals = await sink.refusals([row('c', A, 1n, { labels: '{secret,NULL}' }), row('c', B, 2n)])
  expect(refusals).toMatchObject([{ eventId: 'event-1', table: 'Notice', column: 'labels' }])
  expect(JSON.stringify(refusals)).not.toContain('secret')
})

test('an embedder that does not answer has its events refused, and the server is not asked for it', async () => {
  const down: Embedder = {
    ...deterministicEmbedder(),
    embed: () => Promise.reject(new EmbeddingError('unreachable', 'it is away')),
  }
  const { sink, row } = await openSink(down)
  expect(await sink.refusals([row('c', A, 1n), row('d', B, 2n)])).toMatchObject([
    { eventId: 'event-1', message: 'there is no embedding: it is away' },
  ])
  expect(await sink.write([row('c', A, 1n)])).toHaveLength(1)
  expect(server.objects.size).toBe(0)
})

test('one text that is refused does not take the others with it', async () => {
  const taking = deterministicEmbedder()
  const picky: Embedder = {
    ...taking,
    embed: (texts) => (texts.includes('bad') ? Promise.reject(new EmbeddingError('refused', 'too long')) : taking.embed(texts)),
  }
  const { sink, row } = await openSink(picky)
  expect(await sink.refusals([row('c', A, 1n, { title: 'bad' }), row('c', B, 2n)])).toMatchObject([{ eventId: 'event-1' }])
})

test('a refused object is told by its event; a server that is away is a fault of the sink', async () => {
  const { sink, row } = await openSink()
  server.refused.add(A)
  expect(await sink.write([row('c', A, 1n), row('c', B, 2n)])).toMatchObject([{ eventId: 'event-1' }])
  server.status = 503
  await expect(sink.write([row('c', B, 3n)])).rejects.toThrow(/SLU-5101/)
  server.status = 401
  await expect(sink.open()).rejects.toThrow(/SLU-5102/)
})

test('objects say with which version of the embedder they were made, and have its vectors', async () => {
  const { sink, row } = await openSink(deterministicEmbedder(7))
  await sink.write([row('c', A, 1n)])
  const [vector] = await deterministicEmbedder(7).embed(['Masks'])
  expect(server.objects.get(A)).toMatchObject({ properties: { embeddings_version: 7 }, vector: [...vector!] })
  const longer: Embedder = { ...deterministicEmbedder(), dimensions: 64 }
  await expect(openSink(longer)).rejects.toThrow(/SLU-5103 .*vectors of 32 numbers.* have 64/)
})

test('what is exported is imported whole, with its vectors and without the embedder; what is newer there stays', async () => {
  const { sink, row } = await openSink(deterministicEmbedder(7))
  const rows = [row('c', A, 1n), row('c', B, 2n, { title: 'line\nbreak', labels: '{}', pages: null })]
  await sink.write(rows)
  const { table } = rows[0]!
  const exported: Buffer[] = []
  for await (const chunk of sink.exportRows(table, new AbortController().signal)) exported.push(chunk)
  expect(await sink.count(table)).toBe(2n)
  const before = structuredClone([...server.objects])

  server.objects.clear()
  await sink.importRows(table, Readable.from([Buffer.concat(exported)]))
  expect([...server.objects]).toEqual(before)

  await sink.write([row('u', A, 3n, { title: 'Gloves' })])
  await sink.importRows(table, Readable.from(exported))
  expect(server.objects.get(A)).toMatchObject({ properties: { title: 'Gloves', sluice_position: 3 } })
  expect(await sink.count(table)).toBe(2n)
  server.objects.delete(B)
  server.refused.add(B)
  await expect(sink.importRows(table, Readable.from(exported))).rejects.toThrow(/SLU-5102/)
})

test('an object without its vector, or with one of another length or no version, says so when it is read', async () => {
  const { sink, row } = await openSink()
  const rows = [row('c', A, 1n), row('c', B, 2n)]
  await sink.write(rows)
  const [one, other] = [server.objects.get(A)!, server.objects.get(B)!]
  server.objects.set(A, { ...one, vector: [] })
  server.objects.set(B, { ...other, vector: [1, 2], properties: { ...other.properties, embeddings_version: undefined } })
  expect(await contents(sink, rows[0]!)).toMatchObject([{ faults: ['vector'] }, { faults: ['vector', 'embeddings_version'] }])
})
