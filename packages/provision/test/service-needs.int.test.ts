/** What a service needs beside tables: extensions, and roles with rights on Sluice's tables. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { createTestDatabase, type TestDatabase } from '@sluice/infra'
import { connect, postgresTarget, type PostgresTarget } from '@sluice/postgres'
import { migrateService } from '@sluice/projector'
import type { ServiceRoles } from '@sluice/system'
import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { extensionSteps } from '../src/extensions.ts'
import { rightsSteps, roleSteps } from '../src/roles.ts'

const PLACE = 'service.stock'
const run = `sluice_needs_${randomBytes(4).toString('hex')}`
const roles: ServiceRoles = { projector: `${run}_projector`, verifier: `${run}_verifier`, others: [`${run}_app`] }
const weak = `${run}_weak`
const password = randomBytes(12).toString('hex')

let database: TestDatabase
let client: pg.Client
let target: PostgresTarget
let weakTarget: PostgresTarget

beforeAll(async () => {
  database = await createTestDatabase(process.env['SLUICE_TEST_SERVICES_URL']!, 'service needs')
  target = postgresTarget('stock', database.url)
  client = await connect(target, { applicationName: 'test' })
  await client.query(`CREATE ROLE ${weak} LOGIN PASSWORD '${password}'`)
  const url = new URL(database.url)
  url.username = weak
  url.password = password
  weakTarget = postgresTarget('stock', url.toString())
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-needs-'))
  await writeFile(path.join(folder, '0001_items.sql'), '-- Up Migration\nCREATE TABLE items (id uuid PRIMARY KEY);\n')
  await migrateService(target, { migrations: pathToFileURL(`${folder}/`) })
})
afterAll(async () => {
  const made = [roles.projector, roles.verifier, ...roles.others!, weak]
  for (const role of made) {
    const { rowCount } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [role])
    if (rowCount !== 0) await client.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
  }
  await client.end()
  await database.drop()
})

test('an extension that the server has is made once', async () => {
  expect(await extensionSteps(PLACE, target, [], false)).toEqual([])
  expect(await extensionSteps(PLACE, target, ['hstore'], true)).toMatchObject([{ outcome: 'planned', detail: 'hstore' }])
  expect((await client.query(`SELECT FROM pg_extension WHERE extname = 'hstore'`)).rowCount).toBe(0)
  expect(await extensionSteps(PLACE, target, ['plpgsql', 'hstore'], false)).toMatchObject([{ outcome: 'done', detail: 'hstore' }])
  expect(await extensionSteps(PLACE, target, ['plpgsql', 'hstore'], false)).toMatchObject([{ outcome: 'present' }])
})

test('an extension that the server does not have is named, with where to get it, and nothing else is made', async () => {
  await expect(extensionSteps(PLACE, target, ['citext', 'vector'], false)).rejects.toMatchObject({
    number: 'SLU-5005',
    what: 'service.stock needs the extension vector',
    why: expect.stringContaining('does not have it (pg_available_extensions)') as string,
    ways: [expect.stringContaining('pgvector') as string, expect.stringContaining('SLUICE_STOCK_URL') as string],
  })
  expect((await client.query(`SELECT FROM pg_extension WHERE extname = 'citext'`)).rowCount).toBe(0)
  await expect(extensionSteps(PLACE, target, ['vector'], true)).rejects.toMatchObject({ number: 'SLU-5005' })
})

test('a role that may not make an extension is told what a superuser has to run', async () => {
  await expect(extensionSteps(PLACE, weakTarget, ['pageinspect'], false)).rejects.toMatchObject({
    number: 'SLU-5005',
    why: expect.stringContaining('may not make it') as string,
    ways: [expect.stringContaining('CREATE EXTENSION "pageinspect";') as string],
  })
})

test('a role that may not make roles, or give rights, is told what to run', async () => {
  await expect(roleSteps(PLACE, weakTarget, roles, false)).rejects.toMatchObject({
    number: 'SLU-5006',
    ways: [expect.stringContaining(`CREATE ROLE "${roles.projector}" NOLOGIN;`) as string],
  })
})

test('roles are made without login and without any power, once; a dry run makes none', async () => {
  expect(await roleSteps(PLACE, target, undefined, false)).toEqual([])
  expect(await roleSteps(PLACE, target, roles, true)).toMatchObject([{ outcome: 'planned' }])
  expect(await roleSteps(PLACE, target, roles, false)).toMatchObject([{ outcome: 'done' }])
  expect(await roleSteps(PLACE, target, roles, false)).toMatchObject([{ outcome: 'present' }])
  const { rows } = await client.query(
    `SELECT count(*)::integer AS n FROM pg_roles
     WHERE rolname LIKE $1 AND NOT (rolcanlogin OR rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)`,
    [`${run}\\_%`],
  )
  expect(rows).toEqual([{ n: 3 }])
})

test("rights on Sluice's tables are those that each needs: a verifier changes nothing but holds", async () => {
  await expect(rightsSteps(PLACE, weakTarget, roles, false)).rejects.toMatchObject({ number: 'SLU-5006' })
  expect(await rightsSteps(PLACE, target, roles, false)).toMatchObject([{ outcome: 'done' }])
  expect(await rightsSteps(PLACE, target, roles, false)).toMatchObject([{ outcome: 'present' }])
  const may = async (role: string, table: string): Promise<readonly string[]> => {
    const { rows } = await client.query<{ may: string[] | null }>(
      `SELECT array_agg(p ORDER BY p) AS may FROM unnest(ARRAY['DELETE', 'INSERT', 'SELECT', 'TRUNCATE', 'UPDATE']) AS p
       WHERE has_table_privilege($1::name, $2::text, p)`,
      [role, table],
    )
    return rows[0]?.may ?? []
  }
  const changes = ['DELETE', 'INSERT', 'SELECT', 'UPDATE']
  expect(await may(roles.projector, 'processed_events')).toEqual(changes)
  expect(await may(roles.verifier, 'processed_events')).toEqual(['SELECT'])
  expect(await may(roles.verifier, 'projector_barriers')).toEqual(changes)
  expect(await may(roles.others![0]!, 'processed_events')).toEqual([])
  for (const role of [roles.projector, roles.verifier]) expect(await may(role, 'service_migrations')).toEqual([])
})
