/** ClickHouse behind TLS: the authority that is named is the one that is trusted, and the password goes to nobody else. */
import { type Clickhouse, startClickhouse } from '@sluice/infra'
import { clickhouseEvents, table, text, topic, uuid } from '@sluice/system'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Certificate } from '../../postgres/test/certificates.ts'
import { REFUSED_CERTIFICATES, TrustTrial } from '../../postgres/test/trust-trial.ts'
import { ClickhouseSink, clickhouseTarget } from '../src/index.ts'

const readings = clickhouseEvents(
  table('readings', { aggregate: 'Reading', key: ['id'], topic: topic('lab.readings'), columns: { id: uuid(), note: text() } }),
  { into: 'readings_by_tls', structure: new URL('./readings.sql', import.meta.url), columns: (c) => ({ note: c.note }) },
)

let trial: TrustTrial
let server: Clickhouse

/** The first time, the server is downloaded. */
const DOWNLOAD_MS = 600_000

beforeAll(async () => {
  trial = new TrustTrial()
  server = await startClickhouse()
}, DOWNLOAD_MS)
afterEach(() => {
  trial.closeProxy()
})
afterAll(async () => {
  await server.remove()
  trial.remove()
})

/** Tables that it lacks, by a server with this certificate. */
async function missingAt(certificate: Certificate, ca: string | undefined): Promise<readonly string[]> {
  const { username, password } = new URL(server.url)
  const url = await trial.before(new URL(server.url), certificate)
  url.username = username
  url.password = password
  const sink = new ClickhouseSink(clickhouseTarget('SLUICE_LAB_CLICKHOUSE_URL', url.toString(), ca ?? null), [readings])
  try {
    return (await sink.missing()).map(({ name }) => name)
  } finally {
    await sink.close()
  }
}

test('a server whose certificate is of the named authority is talked to', async () => {
  expect(await missingAt(trial.goodCertificate, trial.trustedCa)).toEqual(['readings_by_tls'])
  expect(trial.received()).toBeGreaterThan(0)
})

test.each(REFUSED_CERTIFICATES)('nothing is sent to a server whose certificate %s', async (_what, issue, ca, why) => {
  await expect(missingAt(issue(trial), ca(trial))).rejects.toMatchObject({
    code: 'SINK_UNREACHABLE',
    why: expect.stringMatching(why) as string,
    ways: [expect.stringContaining('CLICKHOUSE_CA_FILE')] as string[],
  })
  expect(trial.received()).toBe(0)
})
