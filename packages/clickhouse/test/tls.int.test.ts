/** ClickHouse behind TLS: the authority that is named is the one that is trusted, and the password goes to nobody else. */
import { readFileSync } from 'node:fs'
import { type Clickhouse, startClickhouse } from '@sluice/infra'
import { clickhouseEvents, table, text, topic, uuid } from '@sluice/system'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Authority, type Certificate } from '../../postgres/test/certificates.ts'
import { type TlsProxy, startTlsProxy } from '../../postgres/test/tls-proxy.ts'
import { ClickhouseSink, clickhouseTarget } from '../src/index.ts'

const HOSTS = ['DNS:localhost']

const readings = clickhouseEvents(
  table('readings', { aggregate: 'Reading', key: ['id'], topic: topic('lab.readings'), columns: { id: uuid(), note: text() } }),
  { into: 'readings_by_tls', structure: new URL('./readings.sql', import.meta.url), columns: (c) => ({ note: c.note }) },
)

let trusted: Authority
let other: Authority
let server: Clickhouse
let proxy: TlsProxy

/** The first time, the server is downloaded. */
const DOWNLOAD_MS = 600_000

beforeAll(async () => {
  trusted = new Authority()
  other = new Authority()
  server = await startClickhouse()
}, DOWNLOAD_MS)
afterEach(() => {
  proxy.close()
})
afterAll(async () => {
  await server.remove()
  trusted.remove()
  other.remove()
})

/** Tables that it lacks, by a server with this certificate. */
async function missingAt(certificate: Certificate, ca: string | null): Promise<readonly string[]> {
  const { username, password } = new URL(server.url)
  proxy = await startTlsProxy(new URL(server.url), certificate)
  const url = new URL(proxy.url)
  url.username = username
  url.password = password
  const sink = new ClickhouseSink(clickhouseTarget('SLUICE_LAB_CLICKHOUSE_URL', url.toString(), ca), [readings])
  try {
    return (await sink.missing()).map(({ name }) => name)
  } finally {
    await sink.close()
  }
}

const trustedCa = (): string => readFileSync(trusted.file, 'utf8')

test('a server whose certificate is of the named authority is talked to', async () => {
  expect(await missingAt(trusted.issue(HOSTS), trustedCa())).toEqual(['readings_by_tls'])
  expect(proxy.received()).toBeGreaterThan(0)
})

const REFUSED = [
  ['is of another authority', () => other.issue(HOSTS), trustedCa, /authority that is not trusted|signature of its certificate/],
  ['is of an authority that nobody named', () => trusted.issue(HOSTS), () => null, /authority that is not trusted/],
  ['is for another host', () => trusted.issue(['DNS:clickhouse.example.org']), trustedCa, /another host/],
  ['has expired', () => trusted.issue(HOSTS, { days: -1 }), trustedCa, /has expired/],
] as const

test.each(REFUSED)('nothing is sent to a server whose certificate %s', async (_what, issue, ca, why) => {
  await expect(missingAt(issue(), ca())).rejects.toMatchObject({
    code: 'SINK_UNREACHABLE',
    why: expect.stringMatching(why) as string,
    ways: [expect.stringContaining('CLICKHOUSE_CA_FILE')] as string[],
  })
  expect(proxy.received()).toBe(0)
})
