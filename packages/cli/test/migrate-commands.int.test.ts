/** `sluice migrate …` as a user calls it, over the two services of the bookshop. */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { type TestDatabase, createTestDatabase } from '@sluice/infra'
import { connect, postgresTarget } from '@sluice/postgres'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))

let catalog: TestDatabase
let sales: TestDatabase

beforeEach(async () => {
  catalog = await createTestDatabase(process.env['SLUICE_TEST_SERVICES_URL']!, 'migrate catalog')
  sales = await createTestDatabase(process.env['SLUICE_TEST_SERVICES_URL']!, 'migrate sales')
})

afterEach(() => Promise.all([catalog.drop(), sales.drop()]))

const Envelope = z.object({
  ok: z.boolean(),
  error: z.object({ code: z.string() }).nullable(),
  result: z
    .looseObject({ services: z.array(z.looseObject({ service: z.string(), outcome: z.string().optional() })).optional() })
    .nullable(),
})

async function sluice(...args: readonly string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const env = {
    ...process.env,
    SLUICE_SYSTEM: 'bookshop',
    SLUICE_CATALOG_URL: catalog.url,
    SLUICE_SALES_URL: sales.url,
  }
  const child = execFile(process.execPath, [MAIN, ...args], { env })
  let [stdout, stderr] = ['', '']
  child.stdout?.on('data', (chunk: string) => (stdout += chunk))
  child.stderr?.on('data', (chunk: string) => (stderr += chunk))
  const [code] = z.tuple([z.number(), z.unknown()]).parse(await once(child, 'close'))
  return { code, stdout, stderr }
}

async function json(...args: readonly string[]): Promise<z.infer<typeof Envelope> & { code: number }> {
  const { code, stdout } = await sluice(...args, '--json')
  return { code, ...Envelope.parse(JSON.parse(stdout)) }
}

test('up, status and down over all services', async () => {
  expect(await json('migrate', 'status', '--check')).toMatchObject({ code: 4, ok: false, error: { code: 'SLU-5032' } })
  expect(await json('migrate', 'up', '--dry-run')).toMatchObject({ code: 0, result: { dryRun: true } })
  expect((await json('migrate', 'status')).code).toBe(0)
  expect(await json('migrate', 'up')).toMatchObject({
    code: 0,
    result: {
      services: [
        { service: 'catalog', outcome: 'migrated' },
        { service: 'sales', outcome: 'migrated' },
      ],
    },
  })
  expect((await json('migrate', 'status', '--check')).code).toBe(0)

  const shown = await sluice('migrate', 'down', 'catalog', '--dry-run')
  expect(shown).toMatchObject({ code: 0, stdout: expect.stringContaining('DROP TABLE') as string })
  expect(await json('migrate', 'down', 'catalog')).toMatchObject({ code: 5, error: { code: 'SLU-1006' } })
  expect((await json('migrate', 'status', '--check')).code).toBe(0)
  expect((await json('migrate', 'down', 'catalog', '--yes')).code).toBe(0)
  expect(await json('migrate', 'status', 'catalog', '--check')).toMatchObject({ code: 4, error: { code: 'SLU-5032' } })
  expect((await json('migrate', 'status', 'sales', '--check')).code).toBe(0)
})

test('what was changed by hand is drift: exit code 4, and each difference is named', async () => {
  await sluice('migrate', 'up')
  expect((await json('migrate', 'drift')).code).toBe(0)
  const client = await connect(postgresTarget('catalog', catalog.url), { applicationName: 'test' })
  await client.query('ALTER TABLE titles ADD COLUMN shelf text, ALTER COLUMN title DROP NOT NULL')
  await client.end()
  const { code, stdout, stderr } = await sluice('migrate', 'drift')
  expect(code).toBe(4)
  expect(stdout).toContain('catalog  column public.titles.shelf is there, and no migration makes it')
  expect(stdout).toContain('catalog  column public.titles.title, null: yes, and the migrations make no')
  expect(stderr).toContain('SLU-5033')
  expect((await json('migrate', 'drift', 'sales')).code).toBe(0)
})

test('a new migration is drafted from what the database has, or from what another one has', async () => {
  const empty = await sluice('migrate', 'new', 'catalog', 'add_shelf', '--dry-run')
  expect(empty).toMatchObject({ code: 0, stdout: '-- Up Migration\n\n\n\n-- Down Migration\n\n\n' })
  expect(empty.stderr).toContain('0002_add_shelf would be written')
  expect((await sluice('migrate', 'new', 'catalog', 'add shelf', '--dry-run')).code).toBe(2)
  expect((await sluice('migrate', 'new', 'catalog', 'shelf', '--to', './schema.sql')).code).toBe(2)

  await sluice('migrate', 'up')
  expect((await json('migrate', 'new', 'catalog', 'nothing', '--diff')).result).toMatchObject({ path: null, draft: null })
  const client = await connect(postgresTarget('catalog', catalog.url), { applicationName: 'test' })
  await client.query('ALTER TABLE titles ADD COLUMN shelf text')
  const live = await sluice('migrate', 'new', 'catalog', 'add_shelf', '--diff', '--dry-run')
  expect(live).toMatchObject({ code: 0, stdout: expect.stringContaining('ADD COLUMN shelf text;') as string })
  // Any variable of this form may name the database: here it is that of the other service, which has none of the tables of this one.
  await client.query(
    'CREATE SCHEMA other; ALTER TABLE titles SET SCHEMA other; ALTER TABLE other.titles REPLICA IDENTITY USING INDEX titles_pkey',
  )
  await client.end()
  const partial = await sluice('migrate', 'new', 'sales', 'as_catalog', '--diff', '--dry-run', '--to', 'SLUICE_CATALOG_URL')
  expect(partial).toMatchObject({ code: 4, stdout: expect.stringContaining('-- By hand: replica identity') as string })
  expect(partial.stderr).toContain('SLU-5034')
})

test('the first error ends it with exit code 3 and a report of every service', async () => {
  const client = await connect(postgresTarget('catalog', catalog.url), { applicationName: 'test' })
  await client.query('CREATE TABLE titles (id int)')
  await client.end()
  const { code, stdout, stderr } = await sluice('migrate', 'up')
  expect(code).toBe(3)
  expect(stdout).toMatch(/catalog +failed +.*SLU-5030/)
  expect(stdout).toMatch(/sales +not begun/)
  expect(stderr).toContain('relation "titles" already exists')
  expect(stdout + stderr).not.toContain('\u001B')
})

test('a database that does not exist is told with the command that makes it: exit code 3', async () => {
  await catalog.drop()
  const { code, stdout, stderr } = await sluice('migrate', 'status')
  expect(code).toBe(3)
  expect(stdout).toMatch(/catalog .*SLU-2002 the database does not exist/)
  expect(stderr).toContain('sluice provision --create-databases')
})
