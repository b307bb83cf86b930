/** Connections with TLS to a real server: its certificate is checked, and what is wrong with it is told. */
import { type RunningServers, startServers } from '@sluice/infra'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { connect, createPool, inTransaction, postgresTarget, toPostgresError } from '../src/index.ts'
import { Authority, type Certificate } from './certificates.ts'

const SESSION = { applicationName: 'tls test' }
const HOSTS = ['DNS:localhost', 'IP:127.0.0.1']

let servers: RunningServers
let admin: pg.Client
let trusted: Authority
let other: Authority

function urlOf(query: string, host = '127.0.0.1'): string {
  const url = new URL(servers.services.url)
  url.hostname = host
  return `${url.toString()}?${query}`
}

const target = (query: string, host?: string) => postgresTarget('orders', urlOf(query, host))
const verified = (): string => `sslmode=verify-full&sslrootcert=${trusted.file}`

/** From now on the server shows this certificate. The server writes the files, so that its user owns them. */
async function serve({ key, certificate }: Certificate): Promise<void> {
  const name = `server-${Date.now()}`
  for (const [file, text] of [
    [`${name}.key`, key],
    [`${name}.pem`, certificate],
  ] as const) {
    const lines = `SELECT unnest(string_to_array(${pg.escapeLiteral(text.trim())}, E'\\n'))`
    await admin.query(`COPY (${lines}) TO PROGRAM 'umask 077; cat > ${file}'`)
  }
  await admin.query(`ALTER SYSTEM SET ssl_cert_file = '${name}.pem'`)
  await admin.query(`ALTER SYSTEM SET ssl_key_file = '${name}.key'`)
  await admin.query(`ALTER SYSTEM SET ssl = on`)
  await admin.query('SELECT pg_reload_conf()')
  await vi.waitUntil(async () => (await servedFile()) === `${name}.pem`, { timeout: 60_000 })
}

/** A session is begun by a server that has reloaded its settings, the certificate with them, or has not. */
async function servedFile(): Promise<string> {
  const client = await connect(target('sslmode=disable'), SESSION)
  try {
    const { rows } = await client.query<{ file: string }>(`SELECT current_setting('ssl_cert_file') AS file`)
    return rows[0]!.file
  } finally {
    await client.end()
  }
}

async function isEncrypted(query: string): Promise<boolean> {
  const client = await connect(target(query), SESSION)
  try {
    const { rows } = await client.query<{ ssl: boolean }>('SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()')
    return rows[0]!.ssl
  } finally {
    await client.end()
  }
}

beforeAll(async () => {
  trusted = new Authority()
  other = new Authority()
  servers = await startServers({ services: true })
  admin = await connect(target('sslmode=disable'), SESSION)
})

afterAll(async () => {
  await admin.end()
  await servers.stop()
  trusted.remove()
  other.remove()
})

test('a server without TLS is refused where the URL asks for it', async () => {
  await expect(connect(target(verified()), SESSION)).rejects.toMatchObject({
    code: 'TLS_MISSING',
    exitCode: 3,
    ways: [
      expect.stringContaining('ALTER SYSTEM SET ssl = on') as string,
      expect.stringContaining('SLUICE_ORDERS_URL') as string,
    ],
  })
})

describe('a certificate of an authority that is trusted', () => {
  beforeAll(() => serve(trusted.issue(HOSTS)))

  test('is accepted, and the connection is encrypted', async () => {
    expect(await isEncrypted(verified())).toBe(true)
    expect(await isEncrypted('sslmode=disable')).toBe(false)
  })

  test('is refused where that authority is not trusted: the error says how to trust it', async () => {
    for (const query of ['sslmode=verify-full', `sslmode=verify-full&sslrootcert=${other.file}`]) {
      await expect(connect(target(query), SESSION)).rejects.toMatchObject({
        code: 'CERTIFICATE_REFUSED',
        exitCode: 3,
        why: expect.stringMatching(/authority that is not trusted here/) as string,
        ways: [expect.stringContaining('sslrootcert=') as string, expect.stringContaining('openssl s_client') as string],
      })
    }
  })

  test('is not looked at where the URL says so itself', async () => {
    expect(await isEncrypted('sslmode=no-verify')).toBe(true)
  })
})

test('a certificate for another host is refused: the error names the hosts that it is for', async () => {
  await serve(trusted.issue(['DNS:db.example.org']))
  await expect(connect(target(verified(), 'localhost'), SESSION)).rejects.toMatchObject({
    code: 'CERTIFICATE_REFUSED',
    why: expect.stringContaining('db.example.org') as string,
    ways: [expect.stringContaining('subjectAltName') as string, expect.stringContaining('SLUICE_ORDERS_URL') as string],
  })
})

describe('a certificate that has expired', () => {
  beforeAll(() => serve(trusted.issue(HOSTS, { days: -1 })))

  test('is refused: the error says how to see its dates, and how a new one is put in place', async () => {
    await expect(connect(target(verified()), SESSION)).rejects.toMatchObject({
      code: 'CERTIFICATE_REFUSED',
      why: expect.stringContaining('has expired') as string,
      ways: [expect.stringContaining('-dates') as string, expect.stringContaining('pg_reload_conf') as string],
    })
  })

  test('keeps a pool from new connections, until a new one is there: what runs tries again by itself', async () => {
    const pool = createPool(target(verified()), { ...SESSION, max: 1 })
    const used = inTransaction(pool, (client) => client.query('SELECT 1')).catch((error: unknown) => {
      throw toPostgresError(error, target(verified()))
    })
    await expect(used).rejects.toMatchObject({ code: 'CERTIFICATE_REFUSED', retry: 'backoff' })
    await serve(trusted.issue(HOSTS))
    await inTransaction(pool, (client) => client.query('SELECT 1'))
    await pool.end()
  })
})
