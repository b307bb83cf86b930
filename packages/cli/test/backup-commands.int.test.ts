/**
 * The commands for every system as a user calls them, to a good end and to the errors that they name: databases made by `provision`, backed
 * up, checked, restored, by a schedule too; `doctor`, `doctor --production` and `env`. The databases are on PostgreSQL 16, whose programs
 * are at hand.
 */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { shellQuoted } from '@sluice/core'
import { type RunningServers, databaseUrl, startServers } from '@sluice/infra'
import { postgresTarget, withConnection } from '@sluice/postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { seedBookshop } from '../../../schemas/bookshop/seed.ts'
import { runSluice } from '../../../test/harness/sluice-process.ts'
import { programsOf16, standInForPgDump } from '../../backup/test/programs.ts'

const run = promisify(execFile)
const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const NAME = `bookshop_${Date.now().toString(36)}`
const DATABASES = ['monolith', 'pipeline', 'catalog', 'sales'] as const
/** Of which everything is backed up. */
const NIGHTLY = DATABASES.map((database) => `backups.${database}.nightly`)

let folder: string
let programs: string
let servers: RunningServers
let env: Readonly<Record<string, string>>
/** What the first `provision` said. */
let provisioned: Answer

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-backup-commands-'))
  programs = await programsOf16()
  servers = await startServers({ services: true, extensions: ['vector'] })
  env = {
    SLUICE_SYSTEM: fileURLToPath(new URL('own-bookshop.ts', import.meta.url)),
    SLUICE_TEST_NAME: NAME,
    ...Object.fromEntries(DATABASES.map((name) => [`SLUICE_${name.toUpperCase()}_URL`, urlOf(name)])),
    KAFKA_BROKERS: process.env['SLUICE_TEST_KAFKA_BROKERS']!,
    SCHEMA_REGISTRY_URL: process.env['SLUICE_TEST_REGISTRY_URL']!,
    SLUICE_BACKUP_KEY: `backup:${Buffer.alloc(32, 'backup ').toString('base64')}`,
    SLUICE_PG_BIN: programs,
  }
  await query('postgres', 'CREATE DATABASE monolith')
  await seedBookshop(urlOf('monolith'))
  provisioned = await sluice('provision', '--create-databases')
  await query('catalog', `INSERT INTO titles SELECT 'isbn ' || n, 'Größe ' || n, 'ebook', n FROM generate_series(1, 300) n`)
})

afterAll(async () => {
  await servers.stop()
  await rm(folder, { recursive: true })
})

/** Of the test's server, which goes with it. */
function urlOf(database: string): string {
  return databaseUrl(servers.services.url, database)
}

async function query(database: string, statement: string): Promise<readonly unknown[]> {
  const session = { applicationName: 'backup commands test' }
  return withConnection(
    postgresTarget(database, urlOf(database)),
    session,
    async (client) => (await client.query<Record<string, unknown>>(statement)).rows,
  )
}

async function exists(database: string): Promise<boolean> {
  return (await query('postgres', `SELECT FROM pg_database WHERE datname = '${database}'`)).length === 1
}

const Known = z.object({ code: z.string(), why: z.string() })
const Backup = z.looseObject({ database: z.string(), error: Known.nullable().optional() })
const Envelope = z.object({
  ok: z.boolean(),
  result: z
    .object({
      steps: z.array(z.object({ place: z.string(), what: z.string(), outcome: z.string() })),
      backups: z.array(Backup),
      runs: z.array(z.looseObject({ schedule: z.string(), database: z.string(), made: z.string().nullable() })),
      checks: z.array(z.looseObject({ name: z.string(), status: z.string(), summary: z.string() })),
      settings: z.array(z.object({ name: z.string(), value: z.string().nullable() })),
    })
    .partial()
    .nullable(),
  error: Known.nullable(),
})
type Answer = z.infer<typeof Envelope> & { readonly code: number | null; readonly stderr: string }

async function sluice(...args: readonly string[]): Promise<Answer> {
  return sluiceWith({}, ...args)
}

async function sluiceWith(more: Readonly<Record<string, string>>, ...args: readonly string[]): Promise<Answer> {
  const { code, stdout, stderr } = await runSluice([...args, '--json'], { ...env, ...more })
  expect(stdout, stderr).not.toBe('')
  return { code, stderr, ...Envelope.parse(JSON.parse(stdout)) }
}

function of<T extends { readonly name: string }>(named: readonly T[] | undefined, ...names: readonly string[]): readonly T[] {
  return (named ?? []).filter(({ name }) => names.includes(name))
}

test('provision --create-databases makes the databases that are missing, and what is in them; a second time all is there', async () => {
  const databases = ['pipeline', 'catalog', 'sales'].map((name) => `database ${name}`)
  const made = (outcome: string) => databases.map((what) => expect.objectContaining({ what, outcome }) as unknown)
  expect(provisioned, provisioned.stderr).toMatchObject({ code: 0, ok: true })
  expect(provisioned.result!.steps).toEqual(expect.arrayContaining(made('done')))
  expect(await query('sales', 'SELECT count(*)::int AS rows FROM orders')).toEqual([{ rows: 0 }])

  const again = await sluice('provision', '--create-databases')
  expect(again, again.stderr).toMatchObject({ code: 0, ok: true })
  expect(again.result!.steps).toEqual(expect.arrayContaining(made('present')))
  expect(again.result!.steps!.filter(({ outcome }) => outcome !== 'present')).toEqual([])
})

test('backups are made and found whole; one is restored where nothing is, and refused with exit 5 beside what is there', async () => {
  const to = path.join(folder, 'whole')
  const made = await sluice('backup', '--to', to)
  expect(made, made.stderr).toMatchObject({ code: 0, ok: true })
  expect(made.result!.backups!.map(({ database }) => database)).toEqual(DATABASES)
  const verified = await sluice('backup', 'verify', to)
  expect(verified, verified.stderr).toMatchObject({ code: 0, ok: true })
  expect(verified.result!.backups!.map(({ database, error }) => [database, error]).sort()).toEqual(
    DATABASES.map((database) => [database, null]).sort(),
  )

  await query('catalog', `UPDATE titles SET title = 'after the backup' WHERE isbn = 'isbn 7'`)
  expect(await sluice('restore', 'catalog', '--from', to)).toMatchObject({ code: 5, ok: false, error: { code: 'SLU-7108' } })
  expect(await query('catalog', `SELECT title FROM titles WHERE isbn = 'isbn 7'`)).toEqual([{ title: 'after the backup' }])

  const elsewhere = await sluiceWith({ SLUICE_CATALOG_URL: urlOf('elsewhere') }, 'restore', 'catalog', '--from', to)
  expect(elsewhere, elsewhere.stderr).toMatchObject({ code: 0, ok: true })
  expect(
    await query('elsewhere', `SELECT count(*)::int AS rows, min(title) FILTER (WHERE isbn = 'isbn 7') AS seventh FROM titles`),
  ).toEqual([{ rows: 300, seventh: 'Größe 7' }])
})

test('a flipped bit in a backup ends backup verify and restore with exit 4, and nothing is restored', async () => {
  const to = path.join(folder, 'damaged')
  expect(await sluice('backup', 'catalog', '--to', to)).toMatchObject({ code: 0 })
  const [dump] = (await readdir(path.join(to, 'catalog'))).filter((name) => name.startsWith('database.dump'))
  const file = path.join(to, 'catalog', dump!)
  const bytes = await readFile(file)
  bytes[Math.floor(bytes.length / 2)]! ^= 1
  await writeFile(file, bytes)

  const verified = await sluice('backup', 'verify', to)
  expect(verified).toMatchObject({ code: 4, ok: false, error: { code: 'SLU-7106' } })
  expect(verified.result!.backups).toMatchObject([{ database: 'catalog', error: { code: 'SLU-7106' } }])
  expect(await sluiceWith({ SLUICE_CATALOG_URL: urlOf('from_damaged') }, 'restore', 'catalog', '--from', to)).toMatchObject({
    code: 4,
    ok: false,
    result: null,
    error: { code: 'SLU-7106' },
  })
  expect(await exists('from_damaged')).toBe(false)
})

test('a pg_dump older than the server ends backup with exit 3 and both versions, before anything is written', async () => {
  const older = path.join(folder, 'pg15')
  await mkdir(older)
  standInForPgDump(older, '15.18', 'exit 1')
  const to = path.join(folder, 'by-older')
  const said = await sluice('backup', '--to', to, '--pg-bin', older)
  expect(said).toMatchObject({ code: 3, ok: false, error: { code: 'SLU-7102' } })
  expect(said.stderr).toContain('pg_dump 15.18 can not back up monolith')
  expect(said.stderr).toContain('its server is PostgreSQL 16.14')
  await expect(readdir(to)).rejects.toMatchObject({ code: 'ENOENT' })
})

test('doctor --production fails while no plan backs anything up, and no longer for that once backup due has made what its plan says', async () => {
  const bare = await sluice('doctor', '--production')
  expect(bare).toMatchObject({ code: 4, ok: false, error: { code: 'SLU-7008' } })
  expect(of(bare.result!.checks, 'backups.plan', 'service.sales.role')).toMatchObject([
    { status: 'failed' },
    { status: 'failed' },
  ])
  expect(bare.error!.why).toContain('backups.plan: no plan says when databases are backed up')

  const file = path.join(folder, 'plan.json')
  // Once a year, so that no time of it comes while the test is at work.
  const schedule = { name: 'nightly', cron: '0 0 1 1 *', keep: { last: 2 } }
  await writeFile(file, JSON.stringify({ format: 1, folder: path.join(folder, 'scheduled'), schedules: [schedule] }))
  const planned = await sluice('doctor', '--production', '--plan', file)
  expect(of(planned.result!.checks, ...NIGHTLY)).toMatchObject(
    NIGHTLY.map(() => ({ status: 'failed', summary: 'there is no backup that was verified' })),
  )

  const first = await sluice('backup', 'due', '--plan', file)
  expect(first, first.stderr).toMatchObject({ code: 0, ok: true })
  expect(first.result!.runs!.map(({ database, made }) => [database, made !== null])).toEqual(
    DATABASES.map((name) => [name, true]),
  )
  const second = await sluice('backup', 'due', '--plan', file)
  expect(second, second.stderr).toMatchObject({ code: 0, ok: true })
  expect(second.result!.runs!.map(({ database, made }) => [database, made])).toEqual(DATABASES.map((name) => [name, null]))

  const backed = await sluice('doctor', '--production', '--plan', file)
  expect(backed.code).toBe(4)
  expect(of(backed.result!.checks, ...NIGHTLY, 'backups.encryption')).toMatchObject(
    [...NIGHTLY, 'backups.encryption'].map((name) => ({ name, status: 'ok' })),
  )
  // What is left is not about backups.
  expect(backed.error!.why).toContain('service.sales.role: ')
  expect(backed.error!.why).not.toContain('backups.')
})

test('doctor is ready with every server and table, and names a database that is not there with exit 4', async () => {
  const ready = await sluice('doctor')
  expect(ready, ready.stderr).toMatchObject({ code: 0, ok: true, error: null })
  const places = ['monolith', 'pipeline', 'service.catalog', 'service.sales', 'kafka', 'registry']
  expect(of(ready.result!.checks, ...places.map((place) => `${place}.connection`))).toMatchObject(
    places.map(() => ({ status: 'ok' })),
  )
  const lacking = await sluiceWith({ SLUICE_SALES_URL: urlOf('nothing') }, 'doctor')
  expect(lacking).toMatchObject({ code: 4, ok: false, error: { code: 'SLU-7008' } })
  expect(lacking.result!.checks!.filter(({ status }) => status === 'failed').map(({ name }) => name)).toEqual([
    'service.sales.connection',
  ])
})

test('a shell that takes what sluice env prints is connected to the database of the service, with the password shown or not', async () => {
  await query('sales', `INSERT INTO customers VALUES (1, 'Zoë Müller', 'zoe@example.com') ON CONFLICT DO NOTHING`)
  const ask = `${shellQuoted(path.join(programs, 'psql'))} --no-psqlrc -At "$DATABASE_URL" -c 'SELECT current_database(), full_name FROM customers'`
  const inShell = async (lines: string, more: Readonly<Record<string, string>>): Promise<string> =>
    (await run('sh', ['-c', `set -eu\n${lines}\n${ask}`], { env: { PATH: process.env['PATH'], ...more } })).stdout
  const called = `${shellQuoted(process.execPath)} ${shellQuoted(MAIN)} env sales`
  expect(await inShell(`eval "$(${called})"`, env)).toBe('sales|Zoë Müller\n')
  // Handed on to a shell that knows nothing else.
  const { stdout: shown } = await run('sh', ['-c', `${called} --show-secrets`], { env: { ...process.env, ...env } })
  expect(await inShell(shown, {})).toBe('sales|Zoë Müller\n')
})
