/** A service with a sink is backed up while it works; both are lost, restored, and then filled by a projector up to the end. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { ClickhouseSink, clickhouseTarget } from '@sluice/clickhouse'
import { SluiceError, quoteIdentifier } from '@sluice/core'
import {
  type Clickhouse,
  type LocalWeaviate,
  type RunningServers,
  canBuildWeaviate,
  givenWeaviate,
  startClickhouse,
  startServers,
  startWeaviate,
} from '@sluice/infra'
import { type PostgresTarget, withConnection, withDatabase } from '@sluice/postgres'
import { parseMasterKeys } from '@sluice/privacy'
import type { Sink } from '@sluice/sink'
import { type SinkTable, type SystemDefinition, clickhouseEvents, weaviateObjects } from '@sluice/system'
import { deterministicEmbedder, weaviateSink } from '@sluice/weaviate'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { Shop } from '../../projector/test/projector-fixture.ts'
import { customer } from '../../projector/test/shop-rows.ts'
import { SERVICE, customers, shop } from '../../projector/test/shop-system.ts'
import { type Change, created, deleted, updated } from '../../projector/test/test-lane.ts'
import {
  type BackupManifest,
  type RestoreReport,
  type ServiceSink,
  backupDatabase,
  findTool,
  planRestore,
  restoreDatabase,
  runDueBackups,
  verifyBackups,
} from '../src/index.ts'
import { programsOf16 } from './programs.ts'

const SESSION = { applicationName: 'sink backup test' }
const KEYS = parseMasterKeys(`backup:${Buffer.alloc(32, 'backup ').toString('base64')}`, 'the test')
const signal = new AbortController().signal
const hasWeaviate = givenWeaviate(process.env) !== undefined || canBuildWeaviate()

/** One store, with the one table that the shop has in it. */
interface Store {
  readonly system: SystemDefinition
  readonly tables: readonly SinkTable[]
  readonly open: () => Sink
  /** All that it holds, as it says itself. */
  contents(): Promise<readonly unknown[]>
  lose(): Promise<void>
}

const events = clickhouseEvents(customers, {
  into: 'client_events',
  structure: new URL('./client_events.sql', import.meta.url),
  columns: (c, e) => ({ kind: e.eventType, name: c['name']!, bio: c['bio']! }),
})
const CLASS = `Client${Date.now()}`

let servers: RunningServers
let clickhouse: Clickhouse
let weaviate: LocalWeaviate | undefined
let folder: string
let root: string
let service: Shop
let restored: PostgresTarget

const withSinks = (tables: readonly SinkTable[]): SystemDefinition => ({
  ...shop,
  services: { [SERVICE]: { ...shop.services[SERVICE]!, sinks: [...tables] } },
})

function clickhouseStore(): Store {
  const url = `${clickhouse.url}/sluice_test_${randomBytes(6).toString('hex')}`
  const ask = async (query: string): Promise<string> => {
    const { origin, username, password, pathname } = new URL(url)
    const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
    const database = pathname.slice(1)
    const response = await fetch(`${origin}/?database=${database}`, { method: 'POST', body: query, headers: { authorization } })
    if (!response.ok) throw new Error(await response.text())
    return response.text()
  }
  return {
    system: withSinks([events]),
    tables: [events],
    open: () => new ClickhouseSink(clickhouseTarget('SLUICE_SALES_CLICKHOUSE_URL', url), [events]),
    contents: async () => {
      const text = await ask('SELECT * FROM client_events FINAL ORDER BY position, event_id FORMAT TSV')
      return text.split('\n').filter((line) => line !== '')
    },
    lose: async () => {
      await ask('DROP TABLE client_events')
    },
  }
}

async function weaviateStore(): Promise<Store> {
  const file = join(folder, `${CLASS}.json`)
  const types = { name: 'text', bio: 'text', embeddings_version: 'int' }
  const properties = Object.entries(types).map(([name, type]) => ({ name, dataType: [type] }))
  await writeFile(file, JSON.stringify({ class: CLASS, properties }))
  const clients = weaviateObjects(customers, {
    into: CLASS,
    structure: pathToFileURL(file),
    columns: (c) => ({ name: c['name']!, bio: c['bio']! }),
    embedded: ['name', 'bio'],
  })
  const url = new URL(givenWeaviate(process.env) ?? weaviate!.url)
  return {
    system: withSinks([clients]),
    tables: [clients],
    open: () => weaviateSink({ tables: [clients], embedder: deterministicEmbedder(), url }),
    contents: async () => {
      const answer = await fetch(`${url.origin}/v1/objects?class=${CLASS}&limit=100&include=vector`)
      const { objects } = (await answer.json()) as { objects: { id: string; properties: object; vector: number[] }[] }
      return objects.map(({ id, properties, vector }) => ({ id, properties, vector })).sort((a, b) => (a.id < b.id ? -1 : 1))
    },
    lose: async () => {
      await fetch(`${url.origin}/v1/schema/${CLASS}`, { method: 'DELETE' })
    },
  }
}

const id = (n: number): string => `00000000-0000-4000-8000-00000000000${n}`
const row = (n: number, name: string): Record<string, string | null> => customer(id(n), { email: null, name })

/** Until all of the lane is in a database of the service and in the sink. */
async function applyAll(store: Store, target = service.target): Promise<void> {
  const projector = service.start({}, { system: store.system, target, openSink: store.open })
  await service.appliedBy(projector)
  await projector.stop()
}

async function provisioned(store: Store): Promise<void> {
  const sink = store.open()
  for (const table of store.tables) await sink.make(table)
  await sink.close()
}

/** Two clients in the service and its sink. */
async function begun(store: Store): Promise<void> {
  await provisioned(store)
  service.lane.commit(created(customers, row(1, 'Ann')), created(customers, row(2, 'Bob\n"東京"')))
  await applyAll(store)
}

async function backUp(store: Store, more: { keys?: typeof KEYS; sink?: ServiceSink | null } = {}): Promise<BackupManifest> {
  const tool = await findTool('pg_dump', await programsOf16())
  const { target } = service
  return backupDatabase({ system: shop.name, target, sink: store, to: root, tool, keys: null, signal, ...more })
}

async function restoring(store: Store, more: { sink?: ServiceSink | null; addsToSink?: boolean; keys?: typeof KEYS } = {}) {
  const tool = await findTool('pg_restore', await programsOf16())
  const known = {
    system: store.system,
    target: restored,
    erasuresFrom: null,
    masterKeys: null,
    from: root,
    tool,
    keys: null,
    signal,
  }
  return { ...known, sink: store, addsToSink: false, ...more }
}

const restore = async (...of: Parameters<typeof restoring>): Promise<RestoreReport> => restoreDatabase(await restoring(...of))

/** What the service holds because of events. */
async function rowsOf(target: PostgresTarget): Promise<unknown> {
  return withConnection(target, SESSION, async (client) => {
    const { rows } = await client.query<Record<string, unknown>>(
      `SELECT (SELECT array_agg(c::text ORDER BY c::text) FROM clients c) AS clients,
         (SELECT array_agg(event_id ORDER BY event_id) FROM processed_events) AS met, (SELECT count(*) FROM parked_events) AS parked,
         (SELECT max(applied_position) FROM projector_positions) AS position`,
    )
    return rows
  })
}

async function isRestored(): Promise<boolean> {
  return withConnection(withDatabase(restored, 'postgres'), SESSION, async (client) => {
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [restored.database])
    return rowCount === 1
  })
}

/** Its sink is as another one, but for what happens when a table is exported. */
function exporting(store: Store, around: (rows: AsyncIterable<Buffer>) => AsyncIterable<Buffer>): ServiceSink {
  const open = (): Sink => {
    const sink = store.open()
    const exportRows = sink.exportRows.bind(sink)
    return Object.assign(sink, { exportRows: (table: SinkTable, until: AbortSignal) => around(exportRows(table, until)) })
  }
  return { tables: store.tables, open }
}

/** A store that does not answer any more in the middle of an import. */
function breaking(store: Store): ServiceSink {
  const open = (): Sink => {
    const sink = store.open()
    const importRows = sink.importRows.bind(sink)
    return Object.assign(sink, {
      importRows: async (table: SinkTable, rows: AsyncIterable<Buffer>): Promise<void> => {
        await importRows(table, rows)
        throw new SluiceError('SINK_UNREACHABLE', { what: 'the store is away', why: 'the test says so', ways: [] })
      },
    })
  }
  return { tables: store.tables, open }
}

beforeAll(async () => {
  servers = await startServers({ services: true, extensions: ['vector'] })
  // PostgreSQL 16, whose pg_dump is at hand.
  process.env['SLUICE_TEST_SERVICES_URL'] = servers.services.url
  clickhouse = await startClickhouse()
  folder = await mkdtemp(join(tmpdir(), 'sluice-sinks-'))
  if (hasWeaviate && givenWeaviate(process.env) === undefined) weaviate = await startWeaviate()
}, 900_000)

afterAll(async () => {
  await clickhouse.remove()
  await weaviate?.remove()
  await servers.stop()
  await rm(folder, { recursive: true })
})

beforeEach(async () => {
  root = await mkdtemp(join(folder, 'backup-'))
  service = await Shop.open()
  restored = withDatabase(service.target, `${service.target.database}_restored`)
})

afterEach(async () => {
  await service[Symbol.asyncDispose]()
  await withConnection(withDatabase(restored, 'postgres'), SESSION, (client) =>
    client.query(`DROP DATABASE IF EXISTS ${quoteIdentifier(restored.database)} WITH (FORCE)`),
  )
})

test.for(['clickhouse', 'weaviate'])(
  'backed up while it works, service and sink (%s) end equal: the sink may be ahead of the position, and never behind it',
  async (name, { skip }) => {
    skip(name === 'weaviate' && !hasWeaviate, 'Weaviate is built by Go, which is not here')
    const store = name === 'weaviate' ? await weaviateStore() : clickhouseStore()
    await begun(store)
    const work = async (...changes: readonly Change[]): Promise<void> => {
      service.lane.commit(...changes)
      await applyAll(store)
    }
    const sink = exporting(store, async function* (rows) {
      await work(updated(customers, row(1, 'Anna')), deleted(customers, { id: id(2) }), created(customers, row(3, 'Cem')))
      yield* rows
      await work(created(customers, row(4, 'Dora')), updated(customers, row(3, 'Cemal')))
    })
    const manifest = await backUp(store, { sink })
    expect(manifest).toMatchObject({
      positions: [{ position: 2n }],
      sinks: [{ store: name, rows: name === 'weaviate' ? 2n : 5n }],
    })
    const [before, rows] = [await store.contents(), await rowsOf(service.target)]
    await store.lose()

    const report = await restore(store)
    expect(report.sinkTables).toMatchObject([{ held: null, rows: manifest.sinks[0]!.rows }])
    expect(await rowsOf(restored)).toMatchObject([{ position: '2' }])
    // What the service counts as applied is there, and what came while it was backed up.
    expect(await store.contents()).toHaveLength(Number(manifest.sinks[0]!.rows))
    await applyAll(store, restored)
    expect(await store.contents()).toEqual(before)
    expect(await rowsOf(restored)).toEqual(rows)
  },
)

test('a sink that has rows is refused before anything is made, and left alone or added to if asked', async () => {
  const store = clickhouseStore()
  await begun(store)
  await backUp(store)
  const before = await store.contents()
  await expect(planRestore(await restoring(store))).rejects.toMatchObject({
    code: 'RESTORE_NOT_EMPTY',
    exitCode: 5,
    why: 'the sink is not empty: clickhouse.client_events has 2 rows',
    ways: [expect.stringContaining('--without-sinks'), expect.stringContaining('--add-to-sinks'), expect.anything()] as unknown,
  })
  await expect(restore(store)).rejects.toMatchObject({ code: 'RESTORE_NOT_EMPTY' })
  expect(await isRestored()).toBe(false)

  await store.lose()
  // Killed, or failed, behind the import: no database counts on the rows, and the next call adds to them.
  await expect(restore(store, { sink: breaking(store) })).rejects.toMatchObject({ code: 'SINK_UNREACHABLE' })
  expect(await isRestored()).toBe(false)
  await expect(restore(store)).rejects.toMatchObject({ code: 'RESTORE_NOT_EMPTY' })
  expect(await restore(store, { addsToSink: true })).toMatchObject({ sinkTables: [{ held: 2n, rows: 2n }] })
  expect(await store.contents()).toEqual(before)
  expect(await isRestored()).toBe(true)
})

test('left out, the sink stays as it is: at the backup, and at the restore', async () => {
  const store = clickhouseStore()
  await begun(store)
  expect(await backUp(store, { sink: null })).toMatchObject({ sinks: [] })
  // A backup from before there were sinks in it does not have the field.
  const file = join(root, SERVICE, 'manifest.json')
  const older = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>
  delete older['sinks']
  await writeFile(file, JSON.stringify(older))
  expect(await restore(store)).toMatchObject({ sinkTables: [], sinkTablesNotInBackup: ['clickhouse.client_events'] })
  expect(await rowsOf(restored)).toEqual(await rowsOf(service.target))
})

test('a table of a sink that the definition does not have any more is no reason to lose it silently', async () => {
  const store = clickhouseStore()
  await begun(store)
  await backUp(store)
  await expect(restore(store, { sink: { tables: [], open: store.open } })).rejects.toMatchObject({
    code: 'RESTORE_FAILED',
    ways: expect.arrayContaining([expect.stringContaining('--without-sinks')]) as unknown,
  })
  expect(await isRestored()).toBe(false)
})

test('encrypted, compressed and checked as the dump is: one that is damaged or another one is found without a server', async () => {
  const store = clickhouseStore()
  await begun(store)
  await backUp(store, { keys: KEYS })
  const backup = join(root, SERVICE)
  const file = join(backup, 'clickhouse.client_events.rows.gz.sealed')
  expect(await readdir(backup)).toContain('clickhouse.client_events.rows.gz.sealed')
  expect((await readFile(file)).includes('Ann')).toBe(false)
  const tool = await findTool('pg_restore', await programsOf16())
  const checked = async (): Promise<unknown> => (await verifyBackups({ root, tool, keys: KEYS, signal })).backups[0]!.error
  expect(await checked()).toBe(null)

  const manifest = await readFile(join(backup, 'manifest.json'), 'utf8')
  await writeFile(join(backup, 'manifest.json'), manifest.replace(/("table": "client_events",\s*"rows": )"2"/, '$1"3"'))
  expect(await checked()).toMatchObject({ code: 'BACKUP_DAMAGED', why: expect.stringMatching(/has 2 rows.* says 3/) as string })
  await writeFile(join(backup, 'manifest.json'), manifest)
  const bytes = await readFile(file)
  bytes[bytes.length >> 1]! ^= 1
  await writeFile(file, bytes)
  expect(await checked()).toMatchObject({ code: 'BACKUP_DAMAGED', why: expect.stringContaining('sha256') as string })
  await rename(file, `${file}.away`)
  expect(await checked()).toMatchObject({ code: 'BACKUP_DAMAGED', why: expect.stringContaining('ENOENT') as string })
})

test('a sink that is away fails the backup, and nothing is left; a plan of backups has its tables, too', async () => {
  const store = clickhouseStore()
  await begun(store)
  const away = exporting(store, async function* (rows) {
    yield* rows
    throw new SluiceError('SINK_UNREACHABLE', { what: 'the store is away', why: 'the test says so', ways: [] })
  })
  await expect(backUp(store, { sink: away })).rejects.toMatchObject({ code: 'SINK_UNREACHABLE' })
  expect(await readdir(root)).toEqual([])

  const programs = await programsOf16()
  const [run] = await runDueBackups({
    system: shop.name,
    plan: {
      format: 1,
      folder: root,
      timeZone: 'UTC',
      schedules: [{ name: 'nightly', cron: '0 2 * * *', keep: { last: 1 }, encrypted: false, overdueAfterMinutes: 60 }],
    },
    targets: { [SERVICE]: service.target },
    sinks: { [SERVICE]: store },
    tools: { dump: await findTool('pg_dump', programs), restore: await findTool('pg_restore', programs) },
    keys: null,
    now: () => new Date('2026-11-01T02:00:05Z'),
    signal,
  })
  expect(run).toMatchObject({ error: null, state: { whole: 1 } })
  expect(await readdir(run!.made!)).toContain('clickhouse.client_events.rows.gz')
})
