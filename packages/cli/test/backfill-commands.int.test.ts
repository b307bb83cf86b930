/** `sluice backfill …` as a user calls it, beside a reader in a process of its own. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type TestDatabase, createTestDatabase } from '@sluice/infra'
import { connect, migrate, postgresTarget } from '@sluice/postgres'
import { migrateStore } from '@sluice/store'
import type pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))

let monolith: TestDatabase
let pipeline: TestDatabase
let books: pg.Client
let env: NodeJS.ProcessEnv
let reader: ChildProcess | null = null

beforeEach(async () => {
  monolith = await createTestDatabase(process.env['SLUICE_TEST_MONOLITH_URL']!, 'backfill commands')
  pipeline = await createTestDatabase(process.env['SLUICE_TEST_PIPELINE_URL']!, 'backfill commands')
  const target = postgresTarget('monolith', monolith.url)
  const folder = new URL('../../../schemas/bookshop/monolith/', import.meta.url)
  await migrate(target, { folder, table: 'monolith_migrations' })
  await migrateStore(postgresTarget('pipeline', pipeline.url))
  books = await connect(target, { applicationName: 'test' })
  await books.query(
    `INSERT INTO books (isbn, title, format, price, in_print) SELECT 'isbn-' || lpad(g::text, 4, '0'), 'title ' || g, 'ebook', g, true
     FROM generate_series(1, 100) g`,
  )
  env = { ...process.env, SLUICE_SYSTEM: 'bookshop', SLUICE_MONOLITH_URL: monolith.url, SLUICE_PIPELINE_URL: pipeline.url }
})

afterEach(async () => {
  if (reader?.exitCode === null) {
    reader.kill('SIGTERM')
    await once(reader, 'exit')
  }
  reader = null
  // Slots belong to the server, and this one has the name of the system.
  while ((await activeSlots()) > 0) await delay(20)
  await books.query('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()')
  await books.end()
  await Promise.all([monolith.drop(), pipeline.drop()])
})

async function activeSlots(): Promise<number> {
  const { rows } = await books.query<{ n: number }>(
    'SELECT count(*)::int AS n FROM pg_replication_slots WHERE active AND database = current_database()',
  )
  return rows[0]!.n
}

async function startReader(): Promise<void> {
  reader = spawn(process.execPath, [MAIN, 'run', 'reader'], { env, stdio: 'ignore' })
  const store = await connect(postgresTarget('pipeline', pipeline.url), { applicationName: 'test' })
  try {
    for (;;) {
      const { rowCount } = await store.query(`SELECT FROM lanes WHERE phase = 'streaming'`)
      if (rowCount === 1) return
      if (reader.exitCode !== null) throw new Error(`the reader ended with ${reader.exitCode}`)
      await delay(50)
    }
  } finally {
    await store.end()
  }
}

const Run = z.object({
  id: z.string(),
  status: z.string(),
  rowsStored: z.string(),
  secondsLeft: z.number().nullable().optional(),
})
const Envelope = z.object({
  ok: z.boolean(),
  summary: z.string(),
  error: z.object({ code: z.string() }).nullable(),
  result: z.looseObject({ backfill: Run.optional(), backfills: z.array(Run).optional() }).nullable(),
})

async function backfill(...args: readonly string[]): Promise<z.infer<typeof Envelope>> {
  const child = execFile(process.execPath, [MAIN, 'backfill', ...args, '--json'], { env })
  let stdout = ''
  child.stdout?.on('data', (chunk: string) => (stdout += chunk))
  await once(child, 'close')
  return Envelope.parse(JSON.parse(stdout))
}

test('a run is asked for, watched, held, let go on and ended by commands', async () => {
  const dry = await backfill('start', 'books', '--from', 'isbn-0011', '--where', 'price <= 60', '--dry-run')
  expect(dry).toMatchObject({ ok: true, result: { dryRun: true, table: 'public.books', keys: '90', isCounted: true } })
  expect(await backfill('start', 'nothing')).toMatchObject({ ok: false, error: { code: 'SLU-2051' } })
  expect(await backfill('list')).toMatchObject({ summary: 'there is no backfill' })

  await startReader()
  // More than a minute for all of it: however slow the commands are, it is at work when it is paused.
  const started = await backfill('start', 'books', '--from', 'isbn-0011', '--where', 'price <= 60', '--rate', '1')
  const { id } = started.result!.backfill!
  expect(started.result!.backfill!.status).toBe('running')
  const paused = await backfill('pause', id.slice(0, 8))
  expect(paused.result!.backfill).toMatchObject({ id, status: 'paused' })
  await backfill('throttle', id, '--rate', '0')
  await backfill('resume', id)
  for (;;) {
    const [run] = (await backfill('list')).result!.backfills!
    if (run!.status === 'completed') {
      expect(run).toMatchObject({ id, rowsStored: '50' })
      break
    }
  }
  expect(await backfill('cancel', id)).toMatchObject({ ok: false, error: { code: 'SLU-3006' } })
  expect(await backfill('pause', '00000000')).toMatchObject({ ok: false, error: { code: 'SLU-3005' } })
})
