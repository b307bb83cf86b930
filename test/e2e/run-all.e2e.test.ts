/**
 * `sluice run all` as its operator sees it: readiness follows progress, every declared metric is fed, and an engine that fails
 * ends alone, with its exit code for the process when that is stopped.
 */
import { type Server, createServer } from 'node:http'
import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { SluiceProcess, runSluice } from '../harness/sluice-process.ts'
import { type TestServers, startTestServers } from '../harness/test-servers.ts'
import { type TestSystem, startTestSystem } from '../harness/test-system.ts'
import { waitUntil } from '../harness/wait-until.ts'

const SYSTEM = new URL('../../schemas/bookshop/system.ts', import.meta.url)
const LIMIT_MS = 240_000

/** The registry behind a door: closed, every connection breaks. */
class RegistryDoor {
  readonly #server: Server
  #isOpen = false

  constructor(registryUrl: string) {
    this.#server = createServer((request, response) => {
      if (!this.#isOpen) {
        request.socket.destroy()
        return
      }
      forward(new URL(`${registryUrl}${request.url ?? ''}`), request.method ?? 'GET', request, response).catch(() => {
        response.destroy()
      })
    })
  }

  async listen(): Promise<string> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    const address = this.#server.address()
    if (typeof address !== 'object' || address === null) throw new Error('no address')
    return `http://127.0.0.1:${address.port}`
  }

  open(): void {
    this.#isOpen = true
  }

  close(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

async function forward(
  url: URL,
  method: string,
  request: AsyncIterable<Buffer>,
  response: { writeHead(status: number, headers: Record<string, string>): unknown; end(body: string): unknown },
): Promise<void> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk)
  const body = chunks.length === 0 ? {} : { body: Buffer.concat(chunks) }
  const answer = await fetch(url, { method, headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' }, ...body })
  response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'application/json' })
  response.end(await answer.text())
}

/** What `/metrics` answers: names declared, and samples by name with labels. */
interface Scrape {
  readonly declared: readonly string[]
  readonly samples: ReadonlyMap<string, number>
  value(sample: string): number | undefined
  /** Sum over all label values. */
  total(name: string): number
}

async function scrape(base: string): Promise<Scrape> {
  const text = await (await fetch(`${base}/metrics`)).text()
  const declared = [...text.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]!)
  const samples = new Map([...text.matchAll(/^([^#\s]\S*(?:\{.*\})?) (\S+)$/gm)].map((match) => [match[1]!, Number(match[2])]))
  return {
    declared,
    samples,
    value: (sample) => samples.get(sample),
    total: (name) =>
      [...samples].reduce((sum, [key, value]) => (key === name || key.startsWith(`${name}{`) ? sum + value : sum), 0),
  }
}

let servers: TestServers
let system: TestSystem
let door: RegistryDoor
let all: SluiceProcess
let base: string

beforeAll(async () => {
  servers = await startTestServers()
  system = await startTestSystem(servers, SYSTEM)
  const monolith = await system.client('monolith')
  // Without a limit the slot has no number for what is left.
  await monolith.query(`ALTER SYSTEM SET max_slot_wal_keep_size = '1GB'`)
  await monolith.query('SELECT pg_reload_conf()')
  await monolith.query(`INSERT INTO books (isbn, title, format, price) VALUES ('1', 'One', 'ebook', 1), ('2', 'Two', 'ebook', 2)`)
  await monolith.query(`INSERT INTO customers (first_name, last_name, email) VALUES ('Ann', 'Lee', 'ann@example.com')`)
  door = new RegistryDoor(servers.running.registry.url)
  all = new SluiceProcess(['run', 'all'], { ...system.env, SCHEMA_REGISTRY_URL: await door.listen() })
  const port = await waitUntil('the health port', LIMIT_MS, async () => all.healthPort)
  base = `http://127.0.0.1:${port}`
})

afterAll(async () => {
  await all.stop()
  door.close()
  await system[Symbol.asyncDispose]()
  await servers[Symbol.asyncDispose]()
})

interface Ready {
  readonly status: number
  readonly mode: string
  readonly reason: string
}

async function readiness(): Promise<Ready> {
  const answer = await fetch(`${base}/readyz`)
  return { ...((await answer.json()) as { mode: string; reason: string }), status: answer.status }
}

async function untilReady(mode: string, reason: RegExp): Promise<Ready> {
  return waitUntil(`readiness ${mode}`, LIMIT_MS, async () => {
    const ready = await readiness()
    return ready.mode === mode && reason.test(ready.reason) && ready
  })
}

async function untilRows(service: string, query: string, count: number): Promise<void> {
  const client = await system.client(service)
  await waitUntil(`${count} rows in ${service}`, LIMIT_MS, async () => {
    if (!all.isRunning) throw new Error(all.stderr)
    const { rows } = await client.query<{ n: number }>(query)
    return rows[0]?.n === count
  })
}

test('without a registry the relay waits and the reader works: degraded, which is ready, and said', async () => {
  expect(await untilReady('degraded', /relay monolith/)).toMatchObject({ status: 200 })
  // What was looked at when the process had just begun is looked at again.
  const health = await waitUntil('a health of warnings', LIMIT_MS, async () => {
    const now = (await (await fetch(`${base}/healthz`)).json()) as { status: string; mode: string; checks: unknown[] }
    if (now.status !== 'warning' || now.mode !== 'degraded') throw new Error(JSON.stringify(now))
    return now
  })
  expect(health.checks).toContainEqual(
    expect.objectContaining({ name: 'engine.relay.monolith', status: 'warning', code: 'SLU-4201' }),
  )
  const probe = await runSluice(['health', '--health-port', new URL(base).port], system.env)
  expect(probe.code).toBe(0)
})

test('when the registry comes back the process is active, and every declared metric has its value', async () => {
  door.open()
  await untilReady('active', /^/)
  await untilRows('sales', 'SELECT count(*)::int AS n FROM customers', 1)
  await untilRows('catalog', 'SELECT count(*)::int AS n FROM titles', 2)
  const monolith = await system.client('monolith')
  await monolith.query(`INSERT INTO orders (customer_id, isbn, quantity) VALUES (1, '1', 2)`)
  await untilRows('sales', 'SELECT count(*)::int AS n FROM orders', 1)
  const backfill = await runSluice(['backfill', 'start', 'books'], system.env)
  expect(backfill, backfill.stderr).toMatchObject({ code: 0 })
  const pipeline = await system.client('pipeline')
  await waitUntil('the end of the backfill', LIMIT_MS, async () => {
    const { rows } = await pipeline.query(`SELECT FROM data_migration_state WHERE kind = 'backfill' AND status = 'completed'`)
    return rows.length === 1
  })
  const stored = await system.storedPosition('monolith')
  // Levels are looked at every few seconds, and counters stand when what they count is committed: each comes in its own time.
  const wanted = {
    'sluice_reader_connected{lane="monolith"}': 1,
    'sluice_reader_events_total{lane="monolith"}': stored,
    'sluice_relay_published_events_total{lane="monolith"}': stored,
    'sluice_outbox_pending_events{lane="monolith"}': 0,
    'sluice_snapshot_rows_total{lane="monolith",table="public.books"}': 2,
    'sluice_snapshot_remaining_tables{lane="monolith"}': 0,
    'sluice_backfill_rows_total{lane="monolith",table="public.books",result="stored"}': 2,
    'sluice_backfill_chunks_total{lane="monolith",table="public.books"}': 1,
    'sluice_backfill_left_seconds{lane="monolith",table="public.books"}': 0,
    'sluice_projector_events_total{projector="catalog",result="applied"}': 4,
    'sluice_projector_events_total{projector="sales",result="applied"}': 2,
    'sluice_projector_lag_events{projector="catalog",lane="monolith"}': 0,
    'sluice_projector_lag_events{projector="sales",lane="monolith"}': 0,
    'sluice_slot_active{slot="sluice_bookshop_monolith"}': 1,
    ...Object.fromEntries(
      ['reader.monolith', 'relay.monolith', 'projector.catalog', 'projector.sales'].map((engine) => [
        `sluice_health_status{component="engine",check="${engine}",status="ok"}`,
        1,
      ]),
    ),
  }
  const found = await waitUntil('every metric', LIMIT_MS, async () => {
    const now = await scrape(base)
    const missing = now.declared.filter((name) => ![...now.samples.keys()].some((key) => key.startsWith(name)))
    if (missing.length > 0) throw new Error(`without a sample: ${missing.join(', ')}`)
    const others = Object.entries(wanted).filter(([sample, value]) => now.value(sample) !== value)
    if (others.length > 0)
      throw new Error(others.map(([sample, value]) => `${sample} ${String(now.value(sample))}, not ${value}`).join('\n'))
    return now
  })
  expect(found.total('sluice_parked_events')).toBe(0)
  expect(found.total('sluice_end_to_end_latency_seconds_count')).toBeGreaterThan(0)
  expect(found.total('sluice_engine_restarts_total')).toBeGreaterThan(0)
  expect(found.value('sluice_relay_publish_errors_total{lane="monolith",error_type="SLU-4201"}')).toBeGreaterThan(0)
  expect(found.total('sluice_slot_retained_wal_bytes')).toBeGreaterThan(0)
  expect(found.total('sluice_slot_safe_wal_bytes')).toBeGreaterThan(0)
  expect(found.total('sluice_reader_queue_limit_bytes')).toBeGreaterThan(0)
  expect(found.total('sluice_source_lag_seconds')).toBeLessThan(60)
  expect((await fetch(`${base}/healthz`)).status).toBe(200)
})

test('a projector that fails ends alone: the reader, the relay and the other projector go on', async () => {
  const catalog = await system.client('catalog')
  await catalog.query('ALTER TABLE processed_events RENAME TO taken_away')
  const monolith = await system.client('monolith')
  await monolith.query(`INSERT INTO books (isbn, title, format, price) VALUES ('3', 'Three', 'ebook', 3)`)
  expect(await untilReady('degraded', /projector catalog/)).toMatchObject({ status: 200 })
  await monolith.query(`INSERT INTO orders (customer_id, isbn, quantity) VALUES (1, '3', 1)`)
  await untilRows('sales', 'SELECT count(*)::int AS n FROM orders', 2)
  expect((await fetch(`${base}/healthz`)).status).toBe(503)
  const found = await scrape(base)
  expect(found.value('sluice_health_status{component="engine",check="projector.catalog",status="failed"}')).toBe(1)
  expect(found.value('sluice_health_status{component="engine",check="projector.sales",status="ok"}')).toBe(1)
  expect(all.stderr).toContain('the process is degraded')
})

test('status names the failed engine, asked of the process', async () => {
  const status = await runSluice(['status', '--health-port', new URL(base).port], system.env)
  expect(status, status.stderr).toMatchObject({ code: 0 })
  expect(status.stdout).toContain('engine.projector.catalog')
})

test('a reader that fails stops neither relay nor projectors: what is stored still arrives', async () => {
  const sales = await system.client('sales')
  const monolith = await system.client('monolith')
  await sales.query('BEGIN')
  await sales.query('LOCK TABLE orders IN ACCESS EXCLUSIVE MODE')
  const before = await system.storedPosition('monolith')
  await monolith.query(`INSERT INTO orders (customer_id, isbn, quantity) VALUES (1, '2', 7)`)
  await waitUntil('the order to be stored', LIMIT_MS, async () => (await system.storedPosition('monolith')) > before)
  // Held, so that the reader does not take the slot again before it is dropped.
  all.kill('SIGSTOP')
  try {
    await monolith.query(
      `SELECT pg_terminate_backend(active_pid, ${LIMIT_MS}) FROM pg_replication_slots WHERE slot_name = 'sluice_bookshop_monolith'`,
    )
    await monolith.query(`SELECT pg_drop_replication_slot('sluice_bookshop_monolith')`)
  } finally {
    all.kill('SIGCONT')
  }
  await untilReady('degraded', /reader monolith.*SLU-2020|reader monolith.*slot/)
  await sales.query('ROLLBACK')
  await untilRows('sales', 'SELECT count(*)::int AS n FROM orders', 3)
  expect((await scrape(base)).value('sluice_reader_connected{lane="monolith"}')).toBe(0)
})

test('stopped, the process ends with the exit code of the engine that failed first, and its error', async () => {
  const exit = await all.stop()
  expect(exit).toMatchObject({ code: 1 })
  expect(all.stderr).toMatch(/x SLU-1999/)
})
