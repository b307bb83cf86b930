/** The pgbouncer of each of the eight services, started with the file that its definition makes, and filled to the plan's numbers. */
import { type Pgbouncer, databaseUrl, dropMarkedDatabase, markDatabase, startPgbouncer } from '@sluice/infra'
import { connect, postgresTarget } from '@sluice/postgres'
import { pgbouncerIni } from '@sluice/system'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type ServiceName, databases } from '../databases.ts'
import system from '../system.ts'

const url = process.env['SLUICE_TEST_SERVICES_URL']!
const names = Object.entries(databases) as readonly [ServiceName, string][]
const APPLICATION = { user: 'acgs_pooled', password: 'pooled' }
let admin: pg.Client

beforeAll(async () => {
  admin = await connect(postgresTarget('services', url), { applicationName: 'acgs test' })
  await admin.query(`CREATE ROLE ${APPLICATION.user} LOGIN PASSWORD '${APPLICATION.password}'`)
  for (const [, name] of names) {
    await admin.query(`CREATE DATABASE ${name}`)
    await markDatabase(admin, name, 'acgs test')
  }
})
afterAll(async () => {
  for (const [, name] of names) await dropMarkedDatabase(url, name)
  await admin.query(`DROP ROLE ${APPLICATION.user}`)
  await admin.end()
})

/** A row of one of pgbouncer's own tables. */
type Shown = Readonly<Record<string, string | number | null>>

async function show(pgbouncer: Pgbouncer, what: 'POOLS' | 'DATABASES' | 'CONFIG'): Promise<readonly Shown[]> {
  const console = new pg.Client(databaseUrl(pgbouncer.url, 'pgbouncer'))
  await console.connect()
  try {
    return (await console.query<Shown>(`SHOW ${what}`)).rows
  } finally {
    await console.end()
  }
}

async function client(pgbouncer: Pgbouncer, isApplication: boolean): Promise<pg.Client> {
  const own = new URL(pgbouncer.url)
  if (isApplication) [own.username, own.password] = [APPLICATION.user, APPLICATION.password]
  const opened = new pg.Client(own.toString())
  await opened.connect()
  return opened
}

/** A pgbouncer as the service's definition says, for as long as the work runs, and so many clients of it, half of them of each role. */
async function withClients(
  service: ServiceName,
  count: number,
  work: (pgbouncer: Pgbouncer, clients: readonly pg.Client[]) => Promise<void>,
): Promise<void> {
  const { hostname: host, port } = new URL(url)
  const database = databases[service]
  const pgbouncer = await startPgbouncer(databaseUrl(url, database), {
    ini: pgbouncerIni({ host, port: Number(port), database }, system.services[service].connections!),
    roles: { [APPLICATION.user]: APPLICATION.password },
  })
  const clients: pg.Client[] = []
  try {
    clients.push(...(await Promise.all(Array.from({ length: count }, (_, i) => client(pgbouncer, i % 2 === 0)))))
    await work(pgbouncer, clients)
  } finally {
    await Promise.all(clients.map((one) => one.end()))
    await pgbouncer.remove()
  }
}

// The service's application and its projector are two roles, which share the twenty.
test.each(names)('the pgbouncer of %s has the numbers of the plan, and holds to them', async (service, name) => {
  await withClients(service, 40, async (pgbouncer, clients) => {
    const config = new Map((await show(pgbouncer, 'CONFIG')).map(({ key, value }) => [key, value]))
    expect(config.get('pool_mode')).toBe('transaction')
    expect(config.get('max_client_conn')).toBe('100')
    const [database] = (await show(pgbouncer, 'DATABASES')).filter((row) => row['name'] === name)
    expect(database).toMatchObject({ database: name, pool_size: 20, max_connections: 20 })

    const released = Promise.withResolvers<undefined>()
    const working = clients.map(async (one) => {
      await one.query('BEGIN')
      await released.promise
      await one.query('COMMIT')
    })
    const total = async (column: string): Promise<number> =>
      (await show(pgbouncer, 'POOLS'))
        .filter((row) => row['database'] === name)
        .reduce((sum, row) => sum + Number(row[column]), 0)
    await expect.poll(() => total('sv_active'), { timeout: 60_000 }).toBe(20)
    await expect.poll(() => total('cl_waiting'), { timeout: 60_000 }).toBe(20)
    const { rows } = await admin.query('SELECT FROM pg_stat_activity WHERE datname = $1', [name])
    expect(rows).toHaveLength(20)
    released.resolve(undefined)
    await Promise.all(working)
  })
})

test('a hundred clients are let in, and not one more', async () => {
  await withClients('auth_service', 100, async (pgbouncer) => {
    await expect(client(pgbouncer, true)).rejects.toThrow(/no more connections allowed/)
  })
})
