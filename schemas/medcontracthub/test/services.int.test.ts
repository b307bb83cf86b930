/** The services' tables can hold what their mappings give, and the handlers build what their expectations say. */
import {
  type CapturedTable,
  type EventHandler,
  type ProjectedEvent,
  type TableMapping,
  qualifiedName,
  renderSql,
} from '@sluice/system'
import type pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import demo from '../demo.ts'
import { agencyStatistics } from '../services/analytics/agency-statistics.ts'
import { textEvents } from '../services/ocr/text-events.ts'
import { documentNotices } from '../services/realtime/document-notices.ts'
import { PROPOSAL_REVIEW_REQUESTED, proposalReviews } from '../services/realtime/proposal-reviews.ts'
import system from '../system.ts'
import { contractDocuments, opportunities, proposals } from '../tables.ts'
import { type OpenDatabase, type ServiceName, openMonolith, openService } from './databases.ts'
import {
  type TableContents,
  contentsOf,
  deletedEvent,
  eventsBetween,
  loadedEvents,
  ownEvent,
  truncatedEvent,
  updatedEvent,
} from './table-events.ts'

const services: Partial<Record<ServiceName, OpenDatabase>> = {}
let monolith: OpenDatabase

beforeAll(async () => {
  monolith = await openMonolith()
  await demo.fill({ database: monolith.client, rows: 2_000, seed: 21 })
  for (const name of ['ocr', 'analytics', 'ai', 'realtime', 'worker'] as const) services[name] = await openService(name)
})
afterAll(async () => {
  for (const service of Object.values(services)) await service.close()
  await monolith.close()
})

function serviceClient(name: ServiceName): pg.Client {
  return services[name]!.client
}

/** The rows that a mapping's target must hold, as text. */
function mappedRows(mapping: TableMapping): string {
  const column = (name: string): string => `s."${name}"`
  const expressions = Object.entries(mapping.columns).map(([name, from]) => `(${renderSql(from, column)})::text AS "${name}"`)
  const source = mapping.source.columnNames.map((c) => (mapping.source.columns[c]!.isSourceOnly ? `"${c}"::text` : `"${c}"`))
  const filter = mapping.filter ? ` WHERE ${renderSql(mapping.filter, column)}` : ''
  return `SELECT ${expressions.join(', ')} FROM (SELECT ${source.join(', ')} FROM ${qualifiedName(mapping.source)}) s${filter}`
}

test.each(['ocr', 'analytics', 'ai', 'realtime', 'worker'] as const)(
  "the tables of %s take every row of the sample, in the projections' order",
  async (name) => {
    const client = serviceClient(name)
    for (const mapping of system.services[name].projections) {
      if (mapping.kind !== 'mapping') continue
      const { rows } = await monolith.client.query<Record<string, string | null>>(mappedRows(mapping))
      expect(rows.length).toBeGreaterThan(0)
      const columns = Object.keys(mapping.columns)
      const insert = `INSERT INTO ${mapping.target} (${columns.join(', ')}) VALUES (${columns.map((_, i) => `$${i + 1}`).join(', ')})`
      await client.query('BEGIN')
      for (const row of rows)
        await client.query(
          insert,
          columns.map((c) => row[c]),
        )
      await client.query('COMMIT')
    }
  },
)

async function applyAll(handler: EventHandler, client: pg.Client, events: readonly ProjectedEvent[]): Promise<void> {
  for (const event of events) {
    await handler.apply(event, {
      query: async (text, values) => client.query(text, values === undefined ? undefined : [...values]),
    })
  }
}

/** What the target holds, and what its expectation says it must hold. */
async function compare(handler: EventHandler, target: pg.Client, source: pg.Client): Promise<void> {
  for (const { target: table, columns, key, query } of handler.expectations) {
    const text = columns.map((c) => `"${c}"::text`).join(', ')
    const held = await target.query(`SELECT ${text} FROM ${table} ORDER BY ${key.map((k) => `"${k}"::text`).join(', ')}`)
    const expected = await source.query(`SELECT ${text} FROM (${query}) q ORDER BY ${key.map((k) => `"${k}"::text`).join(', ')}`)
    expect(held.rows).toEqual(expected.rows)
    expect(held.rows.length).toBeGreaterThan(0)
  }
}

async function changeMonolith(seed: number): Promise<void> {
  await demo.runWorkload({ url: monolith.url, seed, signal: new AbortController().signal, transactions: 60, transactionSize: 10 })
}

function someRow(contents: TableContents, has: (row: Readonly<Record<string, string | null>>) => boolean = () => true) {
  return [...contents.values()].find(has)!
}

/** The application's own events for reviews that began between two times. */
function reviewEvents(former: TableContents, present: TableContents): readonly ProjectedEvent[] {
  return [...present.values()].flatMap((row) => {
    const requestedAt = row['review_requested_at']
    if (requestedAt === null || former.get(JSON.stringify([row['id']]))?.['review_requested_at'] === requestedAt) return []
    return [ownEvent(PROPOSAL_REVIEW_REQUESTED, JSON.stringify({ proposalId: row['id'], requestedAt }))]
  })
}

const handled: readonly (readonly [name: string, service: ServiceName, handler: EventHandler, table: CapturedTable])[] = [
  ['agency statistics', 'analytics', agencyStatistics, opportunities],
  ['proposal reviews', 'realtime', proposalReviews, proposals],
]

beforeEach(async () => {
  await serviceClient('analytics').query('TRUNCATE agency_statistics, counted_opportunities')
  await serviceClient('realtime').query('TRUNCATE proposal_reviews, document_notices')
})

test.each(handled)('%s equal what the monolith says, after a load and after changes', async (_name, service, handler, table) => {
  const client = serviceClient(service)
  let former = await contentsOf(monolith.client, table)
  await applyAll(handler, client, loadedEvents(table, former))
  await compare(handler, client, monolith.client)
  for (const seed of [1, 2]) {
    await changeMonolith(seed)
    const present = await contentsOf(monolith.client, table)
    await applyAll(handler, client, eventsBetween(table, former, present))
    if (table === proposals) await applyAll(handler, client, reviewEvents(former, present))
    await compare(handler, client, monolith.client)
    former = present
  }
})

test.each(handled)('%s follow a key that changes, and a truncate', async (_name, service, handler, table) => {
  const client = serviceClient(service)
  const contents = await contentsOf(monolith.client, table)
  await applyAll(handler, client, loadedEvents(table, contents))
  const row = someRow(contents)
  const id = '00000000-0000-4000-8000-000000000001'
  const renamed = { ...row, id }
  await applyAll(handler, client, [updatedEvent(table, row, { id }), updatedEvent(table, renamed, row)])
  await compare(handler, client, monolith.client)
  await applyAll(handler, client, [truncatedEvent(table)])
  for (const { target } of handler.expectations) expect((await client.query(`SELECT FROM ${target}`)).rowCount).toBe(0)
})

test('documents: what the OCR service announces is what the realtime service holds', async () => {
  const ocr = serviceClient('ocr')
  const realtime = serviceClient('realtime')
  // The texts alone matter here.
  await ocr.query('ALTER TABLE document_texts DROP CONSTRAINT document_texts_document_id_fkey')
  let former = await contentsOf(monolith.client, contractDocuments)
  const apply = async (events: readonly ProjectedEvent[], present: TableContents): Promise<void> => {
    await relayTexts(ocr, realtime, events)
    await holdTexts(ocr, present)
    await compare(documentNotices, realtime, ocr)
  }
  await apply(loadedEvents(contractDocuments, former), former)
  await changeMonolith(4)
  const present = await contentsOf(monolith.client, contractDocuments)
  await apply(eventsBetween(contractDocuments, former, present), present)
  former = present
  const large = someRow(former, (row) => (row['content_text']?.length ?? 0) > 8_000)
  const moved = { ...large, id: '00000000-0000-4000-8000-000000000002' }
  const event = updatedEvent(contractDocuments, large, moved)
  expect(event.after).not.toHaveProperty('content_text')
  const others = [...former.values()].filter((row) => row !== large)
  await apply([event], new Map([...others, moved].map((row) => [String(row['id']), row])))
  await apply([deletedEvent(contractDocuments, moved)], new Map(others.map((row) => [String(row['id']), row])))
  await relayTexts(ocr, realtime, [truncatedEvent(contractDocuments)])
  expect((await realtime.query('SELECT FROM document_notices')).rowCount).toBe(0)
})

/** Runs the OCR service's handler, and hands what it wrote into its outbox to the realtime service's. */
async function relayTexts(ocr: pg.Client, realtime: pg.Client, events: readonly ProjectedEvent[]): Promise<void> {
  const announced: ProjectedEvent[] = []
  for (const event of events) {
    await textEvents.apply(event, {
      query: async (text, values) => {
        if (/^INSERT INTO "public"."outbox"/.test(text)) announced.push(ownEvent(String(values?.[3]), String(values?.[4])))
        return ocr.query(text, values === undefined ? undefined : [...values])
      },
    })
  }
  expect((await ocr.query('SELECT FROM outbox')).rowCount).toBe(0)
  await applyAll(documentNotices, realtime, announced)
}

/** What the OCR service's mapping would hold. */
async function holdTexts(ocr: pg.Client, documents: TableContents): Promise<void> {
  await ocr.query('BEGIN')
  await ocr.query('DELETE FROM document_texts')
  for (const row of documents.values())
    await ocr.query('INSERT INTO document_texts VALUES ($1, $2)', [row['id'], row['content_text']])
  await ocr.query('COMMIT')
}
