/** Whether a role gets at every row is told from the catalog, for roles that are subject to row level security. */
import { randomBytes } from 'node:crypto'
import { createTestDatabase, type TestDatabase } from '@sluice/infra'
import type pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type RowCommand, connect, policyFor, postgresTarget, tablesHiddenByRowSecurity } from '../src/index.ts'

const role = `sluice_rows_${randomBytes(4).toString('hex')}`
const group = `${role}_group`
const ALL: readonly RowCommand[] = ['SELECT', 'INSERT', 'UPDATE', 'DELETE']

let database: TestDatabase
let client: pg.Client

beforeAll(async () => {
  database = await createTestDatabase(process.env['SLUICE_TEST_SERVICES_URL']!, 'row security')
  client = await connect(postgresTarget('rows', database.url), { applicationName: 'test' })
  await client.query(`CREATE ROLE ${group} NOLOGIN; CREATE ROLE ${role} NOLOGIN IN ROLE ${group};
    CREATE TABLE "Notes" (tenant text); ALTER TABLE "Notes" ENABLE ROW LEVEL SECURITY;
    GRANT ALL ON "Notes" TO ${role}`)
})
afterAll(async () => {
  await client.query(`DROP OWNED BY ${role}, ${group}; DROP ROLE ${role}, ${group}`)
  await client.end()
  await database.drop()
})

/** The commands that are hidden from the role, with these policies and no others. */
async function hidden(...policies: readonly string[]): Promise<readonly RowCommand[]> {
  await client.query('BEGIN')
  try {
    for (const [i, policy] of policies.entries()) await client.query(`CREATE POLICY p${i} ON "Notes" ${policy}`)
    await client.query(`SET LOCAL ROLE ${role}`)
    const found = await tablesHiddenByRowSecurity(client, [{ schema: 'public', name: 'Notes' }], ALL)
    return found[0]?.commands ?? []
  } finally {
    await client.query('ROLLBACK')
  }
}

test.each<[why: string, policies: readonly string[], hidden: readonly RowCommand[]]>([
  ['no policy', [], ALL],
  ["tenants' rows only", [`USING (tenant = current_setting('app.tenant', true))`], ALL],
  ['every row, for the role', [`TO ${role} USING (true)`], []],
  ['every row, for a role that it is a member of', [`TO ${group} USING (true)`], []],
  ['every row, for everybody', ['USING (true)'], []],
  ['every row, for somebody else', ['TO pg_monitor USING (true)'], ALL],
  ['every row to read, one of them to write', [`USING (true) WITH CHECK (tenant = 'a')`], ['INSERT', 'UPDATE']],
  ['every row to read only', ['FOR SELECT USING (true)'], ['INSERT', 'UPDATE', 'DELETE']],
  [
    'every row, but a restrictive policy beside it',
    [`TO ${role} USING (true)`, `AS RESTRICTIVE FOR DELETE USING (tenant = 'a')`],
    ['DELETE'],
  ],
])('%s', async (_why, policies, expected) => {
  expect(await hidden(...policies)).toEqual(expected)
})

test('nothing is hidden from a superuser, nor where row security is off', async () => {
  expect(await tablesHiddenByRowSecurity(client, [{ schema: 'public', name: 'Notes' }], ALL)).toEqual([])
  expect(await hidden('USING (false)')).toEqual(ALL)
})

test('the statement that is to be pasted lets the role through', async () => {
  await client.query('BEGIN')
  await client.query(`SET LOCAL ROLE ${role}`)
  for (const commands of [ALL, ['SELECT'] as const]) {
    const [found] = await tablesHiddenByRowSecurity(client, [{ schema: 'public', name: 'Notes' }], commands)
    await client.query('RESET ROLE')
    await client.query(policyFor(found!))
    await client.query(`SET LOCAL ROLE ${role}`)
    expect(await tablesHiddenByRowSecurity(client, [{ schema: 'public', name: 'Notes' }], commands)).toEqual([])
    await client.query('RESET ROLE')
    await client.query('DROP POLICY IF EXISTS sluice_writes_all ON "Notes"')
    await client.query(`SET LOCAL ROLE ${role}`)
  }
  await client.query('ROLLBACK')
})
