/** The analysis service of llama-mapper, with vectors, roles and row security, on PostgreSQL 16: backed up, and restored on another server. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { mkdtemp, readFile, readdir, rm, watch, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createHash } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { type RunningServers, databaseUrl, startServers } from '@sluice/infra'
import { TimeLeft, quoteIdentifier } from '@sluice/core'
import { type PostgresTarget, postgresTarget, withConnection } from '@sluice/postgres'
import { parseMasterKeys } from '@sluice/privacy'
import { migrateService } from '@sluice/projector'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import system from '../../../schemas/llama_mapper/system.ts'
import {
  type BackupTool,
  type StageWork,
  backupDatabase,
  findTool,
  planBackup,
  planRestore,
  restoreDatabase,
  verifyBackups,
} from '../src/index.ts'
import { heldPgDump, pacedPrograms, programsOf16, standInForPgDump } from './programs.ts'

const MAIN = fileURLToPath(new URL('../../cli/src/main.ts', import.meta.url))
const ROLES = ['analysis_projector', 'analysis_verifier', 'analysis_app']
const KEYS = parseMasterKeys(`backup:${Buffer.alloc(32, 'backup ').toString('base64')}`, 'the test')
const definition = system.services['analysis']

let programs: string
let pgDump: BackupTool
let pgRestore: BackupTool
let source: RunningServers
let empty: RunningServers
let root: string

const signal = new AbortController().signal
const onServer = (servers: RunningServers, database = 'analysis'): PostgresTarget =>
  postgresTarget('analysis', databaseUrl(servers.services.url, database))

async function query(target: PostgresTarget, statement: string): Promise<readonly Record<string, unknown>[]> {
  return withConnection(
    target,
    { applicationName: 'backup test' },
    async (client) => (await client.query<Record<string, unknown>>(statement)).rows,
  )
}

/** Every row of every table, as PostgreSQL prints it. */
async function everyRow(target: PostgresTarget): Promise<readonly unknown[]> {
  const tables = await query(
    target,
    `SELECT format('SELECT %L AS place, t::text AS row FROM %I.%I t', c.oid::regclass, n.nspname, c.relname) AS part
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'r' AND n.nspname = 'public'`,
  )
  return query(target, `${tables.map((t) => String(t['part'])).join(' UNION ALL ')} ORDER BY 1, 2`)
}

async function databasesOn(servers: RunningServers): Promise<readonly unknown[]> {
  const found = await query(
    onServer(servers, 'postgres'),
    `SELECT datname FROM pg_database WHERE datname LIKE 'analysis%' ORDER BY 1`,
  )
  return found.map((row) => row['datname'])
}

const backup = (options: Partial<Parameters<typeof backupDatabase>[0]> = {}) =>
  backupDatabase({
    system: system.name,
    target: onServer(source),
    sink: null,
    to: root,
    tool: pgDump,
    keys: null,
    signal,
    ...options,
  })

const restoring = (options: Partial<Parameters<typeof restoreDatabase>[0]> = {}) => ({
  system,
  target: onServer(empty),
  erasuresFrom: null,
  masterKeys: null,
  sink: null,
  addsToSink: false,
  from: root,
  tool: pgRestore,
  keys: null,
  signal,
  ...options,
})

const checked = (keys: typeof KEYS | null = null) => verifyBackups({ root, tool: pgRestore, keys, signal })

beforeAll(async () => {
  programs = await programsOf16()
  pgDump = await findTool('pg_dump', programs)
  pgRestore = await findTool('pg_restore', programs)
  source = await startServers({ services: true, extensions: ['vector'] })
  empty = await startServers({ services: true, extensions: ['vector'] })
  await query(onServer(source, 'postgres'), 'CREATE DATABASE analysis')
  await query(onServer(source), ROLES.map((role) => `CREATE ROLE ${role}`).join(';') + '; CREATE EXTENSION vector')
  await migrateService(onServer(source), definition)
  await query(
    onServer(source),
    `INSERT INTO analysis_requests SELECT gen_random_uuid(), 'tenant ' || n % 3, gen_random_uuid(), 'pii', md5(n::text), 'mapped', now()
       FROM generate_series(1, 5000) n;
     INSERT INTO canonical_results SELECT gen_random_uuid(), 'tenant é "quoted"', 'pii', E'a\\tb\\nc', '{"a": 1.50}', '{}', NULL, '-infinity'
       FROM generate_series(1, 100);
     INSERT INTO processed_events SELECT gen_random_uuid(), 1, n FROM generate_series(1, 700) n;
     INSERT INTO projector_positions (lane, lane_name, epoch, cluster_id, applied_position)
       VALUES (1, 'monolith', '5f0c2a1e-7d4c-4f4e-9f0c-2f6f9c1f7a55', 'cluster', 700)`,
  )
})

afterAll(async () => {
  await source.stop()
  await empty.stop()
})

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sluice-backup-'))
})

afterEach(async () => {
  for (const name of await databasesOn(empty))
    await query(onServer(empty, 'postgres'), `DROP DATABASE ${quoteIdentifier(String(name))}`)
  await rm(root, { recursive: true })
})

test('what is restored on an empty server has every row, policy and index, once the server has the roles', async () => {
  const manifest = await backup()
  expect(manifest).toMatchObject({
    system: 'llama_mapper',
    database: 'analysis',
    pgDump: '16.14',
    server: '16.14',
    roles: [...ROLES].sort(),
    extensions: [{ name: 'vector' }],
    positions: [{ lane: 'monolith', position: 700n }],
  })
  expect(manifest.tables.find((t) => t.name === 'analysis_requests')?.rows).toBe(5000n)
  expect(await readdir(root)).toEqual(['analysis'])
  expect(await checked()).toMatchObject({ backups: [{ database: 'analysis', error: null }], partial: [] })

  await expect(planRestore(restoring())).rejects.toMatchObject({
    code: 'ROLE_MISSING',
    ways: ['CREATE ROLE "analysis_app"; CREATE ROLE "analysis_projector"; CREATE ROLE "analysis_verifier";'],
  })
  await query(onServer(empty, 'postgres'), ROLES.map((role) => `CREATE ROLE ${role}`).join(';'))
  expect(await planRestore(restoring())).toMatchObject({ exists: false })
  expect(await databasesOn(empty)).toEqual([])

  await restoreDatabase(restoring())
  expect(await everyRow(onServer(empty))).toEqual(await everyRow(onServer(source)))
  const structure = `SELECT pg_get_indexdef(indexrelid) AS what FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace = 'public'::regnamespace
    UNION ALL SELECT policyname || tablename || roles::text || qual FROM pg_policies
    UNION ALL SELECT relname || relrowsecurity || coalesce(relacl::text, '') FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1`
  expect(await query(onServer(empty), structure)).toEqual(await query(onServer(source), structure))
  expect(await databasesOn(empty)).toEqual(['analysis'])
})

test('a database that is not empty is refused, and an empty one keeps its settings', async () => {
  await backup()
  await query(onServer(empty, 'postgres'), `CREATE DATABASE analysis; `)
  await query(onServer(empty), `CREATE TABLE mine (id int); INSERT INTO mine VALUES (1)`)
  await expect(restoreDatabase(restoring())).rejects.toMatchObject({
    code: 'RESTORE_NOT_EMPTY',
    exitCode: 5,
    why: expect.stringContaining('public.mine') as string,
  })
  expect(await query(onServer(empty), 'SELECT id FROM mine')).toEqual([{ id: 1 }])
  await query(onServer(empty), `DROP TABLE mine; ALTER DATABASE analysis SET statement_timeout = '7s'`)
  await restoreDatabase(restoring())
  expect(await query(onServer(empty), 'SHOW statement_timeout')).toEqual([{ statement_timeout: '7s' }])
  expect(await query(onServer(empty), 'SELECT count(*)::int AS rows FROM analysis_requests')).toEqual([{ rows: 5000 }])
  expect(await databasesOn(empty)).toEqual(['analysis'])
})

test('a plan says no where a database that an earlier call replaced is still kept', async () => {
  await backup()
  await query(onServer(empty, 'postgres'), 'CREATE DATABASE analysis_sluice_old')
  const refused = { code: 'SERVICE_NOT_REBUILDABLE', why: expect.stringContaining('analysis_sluice_old is there') as string }
  await expect(planRestore(restoring())).rejects.toMatchObject(refused)
  await expect(restoreDatabase(restoring())).rejects.toMatchObject(refused)
  await query(onServer(empty, 'postgres'), 'DROP DATABASE analysis_sluice_old')
  expect(await planRestore(restoring())).toMatchObject({ exists: false })
})

test('an encrypted backup shows nothing of the rows, and is read with its key alone', async () => {
  await backup({ keys: KEYS, compression: 0 })
  const file = await readFile(join(root, 'analysis', 'database.dump.sealed'))
  expect(file.includes('analysis_requests')).toBe(false)
  await expect(restoreDatabase(restoring())).rejects.toMatchObject({ code: 'BACKUP_KEY_MISSING', exitCode: 2 })
  const other = parseMasterKeys(`backup:${Buffer.alloc(32, 'other ').toString('base64')}`, 'the test')
  expect((await checked(other)).backups).toMatchObject([{ error: { code: 'BACKUP_DAMAGED' } }])
  expect((await checked(KEYS)).backups).toMatchObject([{ error: null }])
  await restoreDatabase(restoring({ keys: KEYS }))
  expect(await everyRow(onServer(empty))).toEqual(await everyRow(onServer(source)))
})

test('no backup is overwritten', async () => {
  await backup()
  const before = await readFile(join(root, 'analysis', 'manifest.json'), 'utf8')
  await expect(backup()).rejects.toMatchObject({ code: 'BACKUP_EXISTS', exitCode: 2 })
  expect(await readFile(join(root, 'analysis', 'manifest.json'), 'utf8')).toBe(before)
})

describe('a damaged backup is not restored', () => {
  const dump = (): string => join(root, 'analysis', 'database.dump')
  const manifestFile = (): string => join(root, 'analysis', 'manifest.json')

  test.each([
    ['a bit is another', async () => writeFile(dump(), flipped(await readFile(dump()))), /sha256/],
    ['its end is gone', async () => writeFile(dump(), (await readFile(dump())).subarray(0, 1000)), /1000 bytes/],
    ['the file is gone', () => rm(dump()), /ENOENT/],
    [
      'the manifest is cut short',
      async () => writeFile(manifestFile(), (await readFile(manifestFile())).subarray(0, 100)),
      /manifest/,
    ],
    ['it is no dump, though its sum is right', () => rewrite(Buffer.from('not a dump')), /pg_restore ended with/],
  ])('%s', async (_what, damage, why) => {
    await backup()
    await damage()
    await expect(restoreDatabase(restoring())).rejects.toMatchObject({
      code: 'BACKUP_DAMAGED',
      exitCode: 4,
      why: expect.stringMatching(why) as string,
    })
    expect((await checked()).backups).toMatchObject([{ database: 'analysis', error: { code: 'BACKUP_DAMAGED' } }])
    expect(await databasesOn(empty)).toEqual([])
  })

  test('other numbers of rows than the manifest says leave the database as it was', async () => {
    await backup()
    await writeFile(manifestFile(), (await readFile(manifestFile(), 'utf8')).replace('"rows": "5000"', '"rows": "5001"'))
    await query(onServer(empty, 'postgres'), 'CREATE DATABASE analysis')
    await expect(restoreDatabase(restoring())).rejects.toMatchObject({
      code: 'RESTORE_DIFFERS',
      why: 'public.analysis_requests has 5000 rows instead of 5001',
    })
    expect(await query(onServer(empty), `SELECT to_regclass('analysis_requests') AS found`)).toEqual([{ found: null }])
    expect(await databasesOn(empty)).toEqual(['analysis'])
  })

  async function rewrite(bytes: Buffer): Promise<void> {
    await writeFile(dump(), bytes)
    const manifest = JSON.parse(await readFile(manifestFile(), 'utf8')) as object
    const file = { bytes: String(bytes.length), sha256: createHash('sha256').update(bytes).digest('hex') }
    await writeFile(manifestFile(), JSON.stringify({ ...manifest, file }))
  }
})

test('a pg_dump older than the server is told with both versions, before anything is written', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-stand-in-'))
  standInForPgDump(folder, '15.18', 'exit 1')
  const tool = await findTool('pg_dump', folder)
  await expect(planBackup({ target: onServer(source), sink: null, to: root, tool, keys: null })).rejects.toMatchObject({
    code: 'BACKUP_VERSION',
    exitCode: 3,
  })
  await expect(backup({ tool })).rejects.toThrow(/pg_dump 15\.18 can not back up analysis: its server is PostgreSQL 16\.14/)
  expect(await readdir(root)).toEqual([])
  await rm(folder, { recursive: true })
})

describe('a backup that does not end leaves nothing that looks whole', () => {
  test('given up in the middle, it leaves nothing', async () => {
    const stopping = new AbortController()
    const given = backup({ signal: stopping.signal, onProgress: ({ bytes }) => bytes > 0 && stopping.abort() })
    await expect(given).rejects.toMatchObject({ name: 'AbortError' })
    expect(await readdir(root)).toEqual([])
  })

  test('pg_dump fails: its error is told, and nothing is left', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-stand-in-'))
    standInForPgDump(
      folder,
      '16.14',
      `printf half; echo 'pg_dump: error: query failed: ERROR:  permission denied for table t' >&2; exit 1`,
    )
    await expect(backup({ tool: await findTool('pg_dump', folder) })).rejects.toMatchObject({
      code: 'BACKUP_FAILED',
      why: 'pg_dump ended with exit code 1: query failed: ERROR:  permission denied for table t',
    })
    expect(await readdir(root)).toEqual([])
    await rm(folder, { recursive: true })
  })

  /** A command in the middle of a backup: its pg_dump writes until nobody reads any more. @returns how it ended */
  async function endInTheMiddle(by: 'SIGINT' | 'SIGKILL'): Promise<unknown> {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-stand-in-'))
    standInForPgDump(folder, '16.14', `printf half; touch ${folder}/begun; exec yes`)
    const changes = watch(folder)
    const command = spawn(process.execPath, [MAIN, 'backup', 'analysis', '--to', root, '--pg-bin', folder], {
      env: { ...process.env, SLUICE_SYSTEM: 'llama_mapper', SLUICE_ANALYSIS_URL: databaseUrl(source.services.url, 'analysis') },
      stdio: 'ignore',
    })
    for await (const { filename } of changes) if (filename === 'begun') break
    command.kill(by)
    const [code] = (await once(command, 'close')) as [number | null]
    await rm(folder, { recursive: true })
    return code
  }

  test('SIGINT in the middle ends it with 130, and leaves nothing', async () => {
    expect(await endInTheMiddle('SIGINT')).toBe(130)
    expect(await readdir(root)).toEqual([])
  })

  test('killed in the middle, what it leaves is no backup', async () => {
    await endInTheMiddle('SIGKILL')
    expect(await readdir(root)).toEqual([expect.stringMatching(/^\.analysis-[0-9a-f]{12}\.partial$/)])
    await expect(checked()).rejects.toMatchObject({
      code: 'BACKUP_NOT_FOUND',
      why: expect.stringContaining('.partial') as string,
    })
    await expect(planRestore(restoring())).rejects.toMatchObject({ code: 'BACKUP_NOT_FOUND' })
  })
})

describe('at half way the estimate is within 30 %', () => {
  const wide = (servers: RunningServers): PostgresTarget => onServer(servers, 'analysis_wide')
  /** About five seconds for all of it: little enough that a busy machine holds the pace. */
  const BYTES_PER_SECOND = 2_000_000
  let folder: string

  /**
   * What is told of a stage at its half way, and what came true. Its time is what the programs have passed on, at a pace that never changes:
   * a clock would measure how busy the machine is.
   */
  class HalfWay {
    #seconds = 0
    readonly #left = new TimeLeft(() => this.#seconds * 1000)
    #estimate: { readonly seconds: number; readonly share: number; readonly at: number } | null = null

    take({ done, of }: StageWork, at: number): void {
      this.#seconds = at
      const seconds = this.#left.seconds(done, of)
      if (seconds !== null && done * 2 >= of) this.#estimate ??= { seconds, share: done / of, at }
    }

    expectHeld(what: string, endedAt: number): void {
      expect(this.#estimate, 'an estimate from half way on').not.toBeNull()
      const { seconds, share, at } = this.#estimate!
      const took = endedAt - at
      process.stdout.write(`${what}: at ${Math.round(share * 100)} % estimated ${seconds}, took ${took}\n`)
      expect(share).toBeLessThan(0.7)
      expect(seconds / took).toBeGreaterThan(0.7)
      expect(seconds / took).toBeLessThan(1.3)
    }
  }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-stand-in-'))
    await pacedPrograms(folder, BYTES_PER_SECOND)
    await query(onServer(source, 'postgres'), 'CREATE DATABASE analysis_wide')
    // The server is ahead of a slow pg_dump by what sockets hold, some megabytes, but never by more than a table: so none is large.
    await query(
      wide(source),
      `DO $$ BEGIN FOR t IN 1..16 LOOP
         EXECUTE format('CREATE TABLE part_%s (id int PRIMARY KEY, body text)', t);
         EXECUTE format('INSERT INTO part_%s SELECT n, repeat(md5(n::text), 30) FROM generate_series(1, 625) n', t);
       END LOOP; END $$;
       CREATE INDEX ON part_1 (body text_pattern_ops) WHERE id < 0;
       CREATE TABLE cut (id int PRIMARY KEY REFERENCES part_1) PARTITION BY RANGE (id);
       CREATE TABLE cut_1 PARTITION OF cut FOR VALUES FROM (0) TO (10)`,
    )
  })

  afterAll(async () => {
    await rm(folder, { recursive: true })
  })

  test('of a backup', async () => {
    const half = new HalfWay()
    const manifest = await backup({
      target: wide(source),
      tool: await findTool('pg_dump', folder),
      compression: 0,
      onProgress: ({ stage, bytes, work }) => {
        if (stage === 'dumping' && bytes > 0) half.take(work!, bytes / BYTES_PER_SECOND)
      },
    })
    half.expectHeld('backup', Number(manifest.file.bytes) / BYTES_PER_SECOND)
  })

  test('of the rows of a restore, whose indexes and keys are counted then', async () => {
    await query(onServer(empty, 'postgres'), 'CREATE DATABASE analysis_wide')
    await backup({ target: wide(source), compression: 0 })
    const half = new HalfWay()
    const stages = new Map<string, string>()
    await restoreDatabase(
      restoring({
        target: wide(empty),
        tool: await findTool('pg_restore', folder),
        onProgress: ({ stage, begun, ofThem, work }) => {
          // Before that pg_restore is being started. Its tables are alike, but for the last one, which is empty: each takes a second, say.
          if (stage === 'restoring' && begun > 0) half.take(work!, begun)
          stages.set(stage, `${begun} of ${ofThem}`)
        },
      }),
    )
    half.expectHeld('restore', 17)
    expect([...stages.keys()]).toEqual(['checking', 'restoring', 'indexing', 'counting', 'analyzing'])
    // A key of each of 18 tables, an index, and a foreign key.
    expect([stages.get('restoring'), stages.get('indexing')]).toEqual(['17 of 17', '20 of 20'])
  })
})

test('while pg_dump is at a table, the share of its rows that was sent is told', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-stand-in-'))
  const file = join(folder, 'read-on')
  await heldPgDump(folder, file)
  await query(onServer(source, 'postgres'), 'CREATE DATABASE analysis_large')
  const target = onServer(source, 'analysis_large')
  // More than all sockets and pipes on the way hold, and little on the disk.
  await query(target, `CREATE TABLE large AS SELECT repeat(n::text, 50000) AS body FROM generate_series(100, 599) n`)
  const shares: number[] = []
  await backup({
    target,
    tool: await findTool('pg_dump', folder),
    compression: 0,
    onProgress: ({ stage, work }) => {
      if (stage !== 'dumping' || work!.done === 0 || shares.length > 0) return
      shares.push(work!.done / work!.of)
      writeFileSync(file, '')
    },
  })
  expect(shares[0]).toBeGreaterThan(0)
  expect(shares[0]).toBeLessThan(1)
  await rm(folder, { recursive: true })
})

function flipped(bytes: Buffer): Buffer {
  bytes[Math.floor(bytes.length / 2)]! ^= 1
  return bytes
}
