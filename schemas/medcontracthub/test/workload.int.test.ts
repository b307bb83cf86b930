import { qualifiedName } from '@sluice/system'
import type { WorkloadReport } from '@sluice/workload'
import { afterEach, beforeEach, expect, test } from 'vitest'
import demo from '../demo.ts'
import system from '../system.ts'
import { type OpenDatabase, openMonolith } from './databases.ts'

const never = new AbortController().signal
let monolith: OpenDatabase

beforeEach(async () => {
  monolith = await openMonolith()
  await demo.fill({ database: monolith.client, rows: 1_300, seed: 3 })
})
afterEach(() => monolith.close())

async function rowCount(): Promise<number> {
  const counts = system.monolith.tables.map((t) => `(SELECT count(*) FROM ${qualifiedName(t)})`)
  const { rows } = await monolith.client.query<{ rows: string }>(`SELECT (${counts.join(' + ')})::text AS rows`)
  return Number(rows[0]!.rows)
}

/** Changes of committed transactions as the WAL has them, since `test_decoding`'s slot was made. */
async function decodedChanges(): Promise<readonly string[]> {
  const { rows } = await monolith.client.query<{ data: string }>(
    "SELECT data FROM pg_logical_slot_get_changes('decoded', NULL, NULL)",
  )
  return rows.map((r) => r.data)
}

test('W1: the report counts what the WAL has: rows, context messages and events', async () => {
  await monolith.client.query("SELECT pg_create_logical_replication_slot('decoded', 'test_decoding')")
  const report = await demo.runWorkload({ url: monolith.url, seed: 5, signal: never, transactions: 150 })
  const changes = await decodedChanges()
  const count = (pattern: RegExp): number => changes.filter((c) => pattern.test(c)).length
  expect(report.committed + report.rolledBack).toBe(150)
  expect(report.rolledBack).toBeGreaterThan(0)
  expect(count(/^table (?!public\.outbox:).*: INSERT:/)).toBe(report.inserted)
  expect(count(/^table (?!public\.outbox:).*: DELETE:/)).toBe(report.deleted)
  // Foreign keys that set NULL or cascade add updates.
  expect(count(/: UPDATE:/)).toBeGreaterThanOrEqual(report.updated)
  expect(count(/prefix: sluice\.context/)).toBe(report.contextMessages)
  expect(count(/^table public\.outbox: INSERT:/)).toBe(report.outboxEvents)
  expect(count(/^table public\.outbox: DELETE:/)).toBeGreaterThan(0)
})

test('every table meets inserts, updates and deletes; keys change; large values stay untouched', async () => {
  await monolith.client.query("SELECT pg_create_logical_replication_slot('decoded', 'test_decoding')")
  await demo.runWorkload({ url: monolith.url, seed: 6, signal: never, transactions: 150, transactionSize: 10 })
  const changes = await decodedChanges()
  for (const table of system.monolith.tables) {
    for (const operation of table.name === 'companies' ? ['INSERT', 'UPDATE'] : ['INSERT', 'UPDATE', 'DELETE']) {
      expect(changes.some((c) => c.startsWith(`table ${qualifiedName(table)}: ${operation}:`))).toBe(true)
    }
  }
  expect(changes.some((c) => /^table public\.proposals: UPDATE: old-key:/.test(c))).toBe(true)
  expect(changes.some((c) => /^table public\.api_usage: UPDATE: old-key:/.test(c))).toBe(true)
  expect(changes.some((c) => c.includes('unchanged-toast-datum'))).toBe(true)
})

test('the same seed on the same rows makes the same changes', async () => {
  const twin = await openMonolith()
  try {
    await demo.fill({ database: twin.client, rows: 1_300, seed: 3 })
    const run = (url: string): Promise<WorkloadReport> => demo.runWorkload({ url, seed: 9, signal: never, transactions: 60 })
    expect(await run(twin.url)).toEqual(await run(monolith.url))
    const digest =
      'SELECT sum(hashtextextended(id::text || title || status || notice_id || description, 0))::text FROM opportunities'
    expect((await twin.client.query(digest)).rows).toEqual((await monolith.client.query(digest)).rows)
  } finally {
    await twin.close()
  }
})

test('W1: a connection that is cut again and again loses no count and doubles none', async () => {
  const before = await rowCount()
  const stop = new AbortController()
  let transactions = 0
  const report = await demo.runWorkload({
    url: monolith.url,
    seed: 8,
    signal: stop.signal,
    onProgress: ({ reconnects }) => {
      transactions += 1
      if (reconnects > 5) stop.abort()
      if (transactions % 10 === 0) {
        // Not awaited: it hits the workload in the middle of a later transaction. Queries of one client keep their order.
        cuts.push(
          monolith.client.query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sluice workload' AND datname = current_database()",
          ),
        )
      }
    },
  })
  await Promise.all(cuts)
  expect(report.unresolved).toBe(0)
  expect(await rowCount()).toBe(before + report.inserted - report.deleted)
})
const cuts: Promise<unknown>[] = []

test('W2: it stops when the signal aborts, and its report is exact', async () => {
  const before = await rowCount()
  const stop = new AbortController()
  const report = await demo.runWorkload({
    url: monolith.url,
    signal: stop.signal,
    onProgress: ({ committed }) => {
      if (committed === 20) stop.abort()
    },
  })
  expect(report.committed).toBe(20)
  expect(await rowCount()).toBe(before + report.inserted - report.deleted)
})

test('a rate is kept', async () => {
  const startedAt = performance.now()
  const report = await demo.runWorkload({ url: monolith.url, signal: never, ratePerSecond: 100, transactions: 20 })
  const rows = report.inserted + report.updated + report.deleted
  expect(performance.now() - startedAt).toBeGreaterThan((rows / 100) * 1000 * 0.9)
})

test('a server that is away for too long ends it with the reason', async () => {
  const away = new URL(monolith.url)
  away.port = '1'
  await expect(demo.runWorkload({ url: away.toString(), signal: never, reconnectTimeoutMs: 1 })).rejects.toThrow(/ECONNREFUSED/)
})
