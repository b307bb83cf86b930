/** The sink on a real Weaviate, also over a kill of the server. */
import { writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pathToFileURL } from 'node:url'
import type { Operation, RowText } from '@sluice/core'
import { type LocalWeaviate, canBuildWeaviate, givenWeaviate, startWeaviate } from '@sluice/infra'
import type { Sink, SinkRow, SinkedRow } from '@sluice/sink'
import { type WeaviateClass, arrayOf, boolean, integer, table, text, topic, uuid, weaviateObjects } from '@sluice/system'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { deterministicEmbedder, weaviateSink } from '../src/index.ts'

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

let server: LocalWeaviate | undefined
let url: URL
let folder: string

const isHere = givenWeaviate(process.env) !== undefined || canBuildWeaviate()
beforeEach((context) => {
  context.skip(!isHere, 'Weaviate is built by Go, which is not here')
})

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weaviate-'))
  if (!isHere) return
  const given = givenWeaviate(process.env)
  if (given === undefined) server = await startWeaviate()
  url = new URL(given ?? server!.url)
}, 900_000)
afterAll(async () => {
  await server?.remove()
  await rm(folder, { recursive: true })
})

let classes = 0

/** A class of its own for a test. */
function newClass(): WeaviateClass {
  classes += 1
  const name = `Notice${Date.now()}x${classes}`
  const file = join(folder, `${name}.json`)
  const types = { title: 'text', body: 'text', labels: 'text[]', pages: 'int', isOpen: 'boolean', embeddings_version: 'int' }
  const properties = Object.entries(types).map(([property, type]) => ({ name: property, dataType: [type] }))
  writeFileSync(file, JSON.stringify({ class: name, properties }))
  return weaviateObjects(notices, {
    into: name,
    structure: pathToFileURL(file),
    columns: (c) => ({ title: c.title, body: c.body, labels: c.labels, pages: c.pages, isOpen: c.is_open }),
    embedded: ['title', 'body'],
  })
}

async function openSink(notice: WeaviateClass): Promise<Sink> {
  const sink = weaviateSink({ tables: [notice], embedder: deterministicEmbedder(), url })
  for (const missing of await sink.missing()) await sink.make(missing)
  await sink.open()
  return sink
}

const WHOLE: RowText = { title: 'Masks', body: null, labels: '{a,"b c"}', pages: '3', isOpen: 't' }

function id(n: number): string {
  return `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`
}

function rowOf(notice: WeaviateClass, op: Operation, aggregateId: string, position: bigint, values: RowText = {}): SinkRow {
  return {
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
  }
}

async function contents(sink: Sink, notice: WeaviateClass): Promise<readonly SinkedRow[]> {
  const rows: SinkedRow[] = []
  for await (const piece of sink.read(notice)) rows.push(...piece)
  return rows
}

test('values come back as the text that they were', async () => {
  const notice = newClass()
  const sink = await openSink(notice)
  const special = { title: '', body: 'Zürich\n"東京" 🚰 \\', labels: '{}', pages: null, isOpen: 'f' }
  const rows = [rowOf(notice, 'c', id(1), 1n), rowOf(notice, 'c', id(2), 2n, special)]
  expect(await sink.refusals(rows)).toEqual([])
  expect(await sink.write(rows)).toEqual([])
  expect(await contents(sink, notice)).toEqual([
    { eventId: 'event-1', aggregateId: id(1), lane: 1, position: 1n, values: WHOLE },
    { eventId: 'event-2', aggregateId: id(2), lane: 1, position: 2n, values: special },
  ])
  await sink.close()
})

test('a replay changes nothing: changes, removals and truncates collapse to the newest position', async () => {
  const notice = newClass()
  const sink = await openSink(notice)
  const batch = [
    rowOf(notice, 'c', id(1), 1n),
    rowOf(notice, 't', id(99), 2n),
    ...Array.from({ length: 600 }, (_, n) => rowOf(notice, 'c', id(n + 2), BigInt(n + 3), { title: `notice ${n}` })),
    rowOf(notice, 'u', id(2), 700n, { title: 'newer' }),
    rowOf(notice, 'd', id(3), 701n),
  ]
  await sink.write(batch)
  const first = await contents(sink, notice)
  expect(first).toHaveLength(599)
  expect(first[0]).toMatchObject({ aggregateId: id(2), position: 700n, values: { title: 'newer' } })
  await sink.write(batch)
  expect(await contents(sink, notice)).toEqual(first)
  await sink.write([rowOf(notice, 't', id(99), 1_000n)])
  expect(await contents(sink, notice)).toEqual([])
  await sink.close()
})

test('what is exported is imported equal, with its vectors; what is newer there stays', async () => {
  const notice = newClass()
  const sink = await openSink(notice)
  await sink.write([
    ...Array.from({ length: 250 }, (_, n) => rowOf(notice, 'c', id(n), BigInt(n + 1), { title: `notice ${n}\n"東京"` })),
    rowOf(notice, 'u', id(7), 900n, { body: 'ahead', labels: '{}', pages: null }),
  ])
  const exported = async (): Promise<string> => {
    const chunks: Buffer[] = []
    for await (const chunk of sink.exportRows(notice, new AbortController().signal)) chunks.push(chunk)
    return Buffer.concat(chunks).toString('utf8')
  }
  const before = await exported()
  expect(before.split('\n')[0]).toMatch(/"vector":\[/)
  await sink.write([rowOf(notice, 't', id(99), 1_000n)])
  expect(await sink.count(notice)).toBe(0n)
  await sink.importRows(notice, Readable.from([Buffer.from(before)]))
  expect(await sink.count(notice)).toBe(250n)
  expect(await exported()).toBe(before)

  await sink.write([rowOf(notice, 'u', id(1), 2_000n, { title: 'newer' })])
  await sink.importRows(notice, Readable.from([Buffer.from(before)]))
  expect((await contents(sink, notice))[1]).toMatchObject({ position: 2_000n, values: { title: 'newer' } })
  await sink.close()
})

test('a class that has another form, and an embedder of another length, are refused at the start', async () => {
  const notice = newClass()
  const sink = await openSink(notice)
  await sink.write([rowOf(notice, 'c', id(1), 1n)])
  await sink.close()
  const wider = weaviateSink({ tables: [notice], embedder: { ...deterministicEmbedder(), dimensions: 64 }, url })
  await expect(wider.open()).rejects.toThrow(/SLU-5103 .*vectors of 32 numbers/)
  const renamed: WeaviateClass = { ...notice, columns: { ...notice.columns, summary: notices.refs.body } }
  await expect(weaviateSink({ tables: [renamed], embedder: deterministicEmbedder(), url }).open()).rejects.toThrow(
    /SLU-5103 .*summary is missing, text is needed/,
  )
  await wider.close()
})

test('what was answered is there after the server was killed; away, it is a fault of the sink and of no row', async ({
  skip,
}) => {
  if (server === undefined) return skip('the server was given')
  const notice = newClass()
  const sink = await openSink(notice)
  await sink.write(Array.from({ length: 300 }, (_, n) => rowOf(notice, 'c', id(n), BigInt(n + 1))))
  await server.kill9()
  await expect(sink.write([rowOf(notice, 'c', id(1), 999n)])).rejects.toThrow(/SLU-5101/)
  await server.start()
  expect(await contents(sink, notice)).toHaveLength(300)
  await sink.write([rowOf(notice, 'c', id(1), 999n)])
  expect(await contents(sink, notice)).toHaveLength(300)
  await sink.close()
})
