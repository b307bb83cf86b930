/** Schedules of backups, on PostgreSQL 16 with its own pg_dump, by a clock that the test turns. */
import { access, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type RunningServers, databaseUrl, startServers } from '@sluice/infra'
import { type PostgresTarget, postgresTarget, withConnection } from '@sluice/postgres'
import { parseMasterKeys } from '@sluice/privacy'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  type SchedulePlan,
  type BackupTool,
  type ScheduleRun,
  backupDatabase,
  backupStates,
  findTool,
  runDueBackups,
  verifyBackups,
} from '../src/index.ts'
import { heldPgDump, programsOf16, standInForPgDump } from './programs.ts'

const KEYS = parseMasterKeys(`backup:${Buffer.alloc(32, 'backup ').toString('base64')}`, 'the test')
const DATABASES = ['orders', 'stock'] as const
const DAY_MS = 24 * 60 * 60 * 1000

let dump: BackupTool
let restore: BackupTool
let servers: RunningServers
let targets: Readonly<Record<string, PostgresTarget>>
let folder: string
let clock: Date

const signal = new AbortController().signal

function planOf(changes: Partial<SchedulePlan['schedules'][number]> = {}): SchedulePlan {
  const nightly = { name: 'nightly', cron: '0 2 * * *', keep: { daily: 2 }, encrypted: false, overdueAfterMinutes: 120 }
  return { format: 1, folder, timeZone: 'UTC', schedules: [{ ...nightly, ...changes }] }
}

const run = (options: Partial<Parameters<typeof runDueBackups>[0]> = {}): Promise<readonly ScheduleRun[]> =>
  runDueBackups({
    system: 'shop',
    plan: planOf(),
    targets,
    sinks: {},
    tools: { dump, restore },
    keys: null,
    now: () => clock,
    signal,
    ...options,
  })

const only = (name: (typeof DATABASES)[number]) => ({ targets: { [name]: targets[name]! } })

/** Times of the backups that are there, by the name of their folder. */
async function stamps(schedule = 'nightly'): Promise<readonly string[]> {
  return (await readdir(join(folder, schedule))).sort()
}

const placeOf = (stamp: string, database = 'orders'): string => join(folder, 'nightly', stamp, database)

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

async function damage(backup: string): Promise<void> {
  const file = join(backup, 'database.dump')
  const bytes = await readFile(file)
  bytes[Math.floor(bytes.length / 2)]! ^= 1
  await writeFile(file, bytes)
}

beforeAll(async () => {
  const programs = await programsOf16()
  dump = await findTool('pg_dump', programs)
  restore = await findTool('pg_restore', programs)
  servers = await startServers({ services: true, extensions: ['vector'] })
  const target = (name: string): PostgresTarget => postgresTarget(name, databaseUrl(servers.services.url, name))
  const session = { applicationName: 'backup test' }
  for (const name of DATABASES) {
    await withConnection(target('postgres'), session, (client) => client.query(`CREATE DATABASE ${name}`))
    await withConnection(target(name), session, (client) =>
      client.query('CREATE TABLE planted_rows AS SELECT n AS id FROM generate_series(1, 100) n'),
    )
  }
  targets = Object.fromEntries(DATABASES.map((name) => [name, target(name)]))
})

afterAll(() => servers.stop())

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-schedule-'))
  clock = new Date('2026-11-01T02:00:05Z')
})

afterEach(() => rm(folder, { recursive: true }))

test('what is due is made and verified, and then the oldest goes; what is not due is left alone', async () => {
  expect(await run()).toMatchObject(
    DATABASES.map((database) => ({ database, made: placeOf('20261101T020005Z', database), removed: [], error: null })),
  )
  expect(
    (await verifyBackups({ root: join(folder, 'nightly', '20261101T020005Z'), tool: restore, keys: null, signal })).backups,
  ).toMatchObject(DATABASES.map((database) => ({ database, error: null })))
  clock = new Date('2026-11-02T01:59:59Z')
  expect(await run()).toMatchObject(DATABASES.map(() => ({ made: null, state: { whole: 1, isDue: false } })))
  for (const day of ['02', '03']) {
    clock = new Date(`2026-11-${day}T02:00:05Z`)
    await run()
  }
  expect(await stamps()).toEqual(['20261102T020005Z', '20261103T020005Z'])
  // Nobody called it for a week: it is made up for once.
  clock = new Date('2026-11-10T09:00:00Z')
  await run()
  clock = new Date('2026-11-10T09:01:00Z')
  expect(await run(only('orders'))).toMatchObject([{ made: null, state: { whole: 2, dueAt: new Date('2026-11-11T02:00:00Z') } }])
  expect(await stamps()).toEqual(['20261103T020005Z', '20261110T090000Z'])
})

test('a dry run says what the run then does, and changes nothing', async () => {
  for (let night = 0; night < 2; night += 1) {
    await run(only('orders'))
    clock = new Date(clock.getTime() + DAY_MS)
  }
  const before = await stamps()
  const planned = await backupStates({ system: 'shop', plan: planOf(), now: clock }, ['orders'])
  expect(planned).toMatchObject([{ isDue: true, isOverdue: false, removed: [placeOf('20261101T020005Z')] }])
  expect(await stamps()).toEqual(before)
  expect(await run(only('orders'))).toMatchObject([{ removed: planned[0]!.removed }])
})

describe('nothing goes before the new backup is whole', () => {
  test('the backup fails: the older ones stay, the other database gets its own, and the next run tries again', async () => {
    const failing = await mkdtemp(join(tmpdir(), 'sluice-stand-in-'))
    standInForPgDump(failing, '16.14', `test "$PGDATABASE" = orders && exit 1; exec ${dump.file} "$@"`)
    const keep = { last: 1 }
    await run({ plan: planOf({ keep }) })
    clock = new Date(clock.getTime() + DAY_MS)
    const tools = { dump: await findTool('pg_dump', failing), restore }
    expect(await run({ plan: planOf({ keep }), tools })).toMatchObject([
      { database: 'orders', made: null, removed: [], error: { code: 'BACKUP_FAILED' }, state: { whole: 1, isDue: true } },
      { database: 'stock', removed: [placeOf('20261101T020005Z', 'stock')], error: null },
    ])
    expect(await run({ plan: planOf({ keep }) })).toMatchObject([{ removed: [placeOf('20261101T020005Z')] }, { made: null }])
    await rm(failing, { recursive: true })
  })

  test('what could not be restored there is not made: pg_dump is newer than the server, or than pg_restore', async () => {
    const newer = { ...dump, version: '18.1' }
    for (const tools of [
      { dump: newer, restore: { ...restore, version: '18.1' } },
      { dump, restore: { ...restore, version: '15.4' } },
    ]) {
      expect(await run({ ...only('orders'), tools })).toMatchObject([{ made: null, error: { code: 'BACKUP_VERSION' } }])
    }
    expect(await isThere(join(folder, 'nightly'))).toBe(false)
  })

  test('a pg_restore that was killed says nothing of the backup: the next run checks it', async () => {
    const killed = await mkdtemp(join(tmpdir(), 'sluice-stand-in-'))
    const file = join(killed, 'pg_restore')
    await writeFile(file, '#!/bin/sh\nkill -9 $$\n', { mode: 0o755 })
    const found = await run({ ...only('orders'), tools: { dump, restore: { ...restore, file } } })
    expect(found).toMatchObject([{ made: null, error: { code: 'BACKUP_FAILED' }, state: { damaged: [], whole: 0 } }])
    expect(await run(only('orders'))).toMatchObject([{ error: null, state: { damaged: [], whole: 1, isDue: false } }])
    await rm(killed, { recursive: true })
  })

  test('what pg_dump wrote is no backup: the older one stays', async () => {
    const broken = await mkdtemp(join(tmpdir(), 'sluice-stand-in-'))
    standInForPgDump(broken, '16.14', 'echo garbage')
    const plan = planOf({ keep: { last: 1 } })
    await run({ ...only('orders'), plan })
    clock = new Date(clock.getTime() + DAY_MS)
    expect(await run({ ...only('orders'), plan, tools: { dump: await findTool('pg_dump', broken), restore } })).toMatchObject([
      { made: null, removed: [], error: { code: 'BACKUP_DAMAGED' } },
    ])
    expect(await stamps()).toEqual(['20261101T020005Z', '20261102T020005Z'])
    await rm(broken, { recursive: true })
  })

  test('one that comes out damaged counts for nothing, and is named until somebody removes it', async () => {
    await run(only('orders'))
    await rm(join(placeOf('20261101T020005Z'), 'verification.json'))
    await damage(placeOf('20261101T020005Z'))
    clock = new Date('2026-11-01T03:00:00Z')
    const why = expect.stringContaining('sha256') as string
    for (const made of [placeOf('20261101T030000Z'), null]) {
      expect(await run({ ...only('orders'), plan: planOf({ keep: { last: 1 } }) })).toMatchObject([
        { made, removed: [], error: { code: 'BACKUP_DAMAGED', why, exitCode: 4 } },
      ])
    }
    expect(await stamps()).toEqual(['20261101T020005Z', '20261101T030000Z'])
    await rm(placeOf('20261101T020005Z'), { recursive: true })
    expect(await run(only('orders'))).toMatchObject([{ error: null, state: { damaged: [] } }])
  })
})

describe('a run that was killed', () => {
  test('between the backup and its check: the next run checks it, and makes no other one', async () => {
    await run(only('orders'))
    const verification = join(placeOf('20261101T020005Z'), 'verification.json')
    await rm(verification)
    await writeFile(`${verification}.partial`, '{"form')
    expect(await backupStates({ system: 'shop', plan: planOf(), now: clock }, ['orders'])).toMatchObject([
      { whole: 0, isDue: true },
    ])
    expect(await run(only('orders'))).toMatchObject([{ made: null, state: { whole: 1, unverified: [] } }])
    expect(await isThere(verification)).toBe(true)
  })

  test('in the middle of a backup, or of a removal: what it left goes with the next run', async () => {
    await run(only('orders'))
    const left = ['.orders-0123456789ab.partial', '.orders-0123456789ab.removed', '.stock-0123456789ab.partial', 'mine']
    for (const name of left) await mkdir(join(folder, 'nightly', '20261025T020005Z', name), { recursive: true })
    await run(only('orders'))
    // What is of another database, or of somebody else, stays.
    expect(await readdir(join(folder, 'nightly', '20261025T020005Z'))).toEqual(left.slice(2))
    expect(await stamps()).toEqual(['20261025T020005Z', '20261101T020005Z'])
  })
})

test('of two runs at once one works, and the other says so', async () => {
  const held = await mkdtemp(join(tmpdir(), 'sluice-stand-in-'))
  const readOn = join(held, 'read-on')
  await heldPgDump(held, readOn)
  const tools = { dump: await findTool('pg_dump', held), restore }
  const begun = Promise.withResolvers<undefined>()
  const first = run({ ...only('orders'), tools, onProgress: () => begun.resolve(undefined) })
  await Promise.race([begun.promise, first])
  expect(await run(only('orders'))).toMatchObject([{ made: null, error: { code: 'BACKUP_BUSY' } }])
  await writeFile(readOn, '')
  expect(await first).toMatchObject([{ made: placeOf('20261101T020005Z'), error: null }])
  expect(await stamps()).toHaveLength(1)
  await rm(held, { recursive: true })
})

test('a folder that can not be used is said, and no database has to do with it', async () => {
  await writeFile(join(folder, 'nightly'), 'a file')
  expect(await run(only('orders'))).toMatchObject([
    { made: null, error: { code: 'BACKUP_FAILED', why: `${folder}/nightly: ENOTDIR` }, state: null },
  ])
})

test('given up in the middle, it leaves nothing', async () => {
  const stopping = new AbortController()
  const given = run({ ...only('orders'), signal: stopping.signal, onProgress: () => stopping.abort() })
  await expect(given).rejects.toMatchObject({ name: 'AbortError' })
  expect(await stamps()).toEqual(['20261101T020005Z'])
  expect(await readdir(join(folder, 'nightly', '20261101T020005Z'))).toEqual([])
})

describe('encryption and compression are those of the schedule', () => {
  test('an encrypted one shows nothing of the rows, also of a plan without compression', async () => {
    const plan = planOf({ encrypted: true, compression: 0 })
    await expect(run({ plan })).rejects.toMatchObject({ code: 'CONFIG_MISSING', exitCode: 2 })
    expect(await run({ ...only('orders'), plan, keys: KEYS })).toMatchObject([{ error: null, state: { whole: 1 } }])
    const file = await readFile(join(placeOf('20261101T020005Z'), 'database.dump.sealed'))
    expect(file.includes('planted_rows')).toBe(false)
  })

  test('one in the clear, without compression, shows them', async () => {
    await run({ ...only('orders'), plan: planOf({ compression: 0 }), keys: KEYS })
    expect((await readFile(join(placeOf('20261101T020005Z'), 'database.dump'))).includes('planted_rows')).toBe(true)
  })

  test('a key that is gone keeps no new backup from being made', async () => {
    const root = join(folder, 'nightly', '20261031T020005Z')
    const now = () => new Date('2026-10-31T02:00:05Z')
    await backupDatabase({
      system: 'shop',
      target: targets['orders']!,
      sink: null,
      to: root,
      tool: dump,
      keys: KEYS,
      now,
      signal,
    })
    expect(await run(only('orders'))).toMatchObject([
      { made: placeOf('20261101T020005Z'), removed: [], error: { code: 'BACKUP_KEY_MISSING' }, state: { whole: 1 } },
    ])
  })
})

test('a clock that was wrong for once keeps no backup from being made', async () => {
  clock = new Date('2036-11-01T02:00:05Z')
  await run(only('orders'))
  clock = new Date('2026-11-01T02:00:05Z')
  expect(await run(only('orders'))).toMatchObject([{ made: placeOf('20261101T020005Z'), removed: [], state: { whole: 2 } }])
})
