/** Weaviate and an embedder behind TLS: the authority that is named is the one that is trusted, and secrets go to nobody else. */
import { table, text, topic, uuid, weaviateObjects } from '@sluice/system'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import type { Certificate } from '../../postgres/test/certificates.ts'
import { REFUSED_CERTIFICATES, TrustTrial } from '../../postgres/test/trust-trial.ts'
import { deterministicEmbedder, httpEmbedder, weaviateSink } from '../src/index.ts'
import { WeaviateStandIn } from './stand-in.ts'

const notices = table('notices', {
  aggregate: 'Notice',
  key: ['id'],
  topic: topic('test.notices'),
  columns: { id: uuid(), title: text() },
})
const notice = weaviateObjects(notices, {
  into: 'Notice',
  structure: new URL('file:///none'),
  columns: (c) => ({ title: c.title }),
  embedded: ['title'],
})

let trial: TrustTrial
let server: WeaviateStandIn
let plain: URL

beforeAll(async () => {
  trial = new TrustTrial()
  server = new WeaviateStandIn()
  plain = await server.listen()
})
afterEach(() => {
  trial.closeProxy()
})
afterAll(async () => {
  await server.close()
  trial.remove()
})

/** What a process asks first of a server with this certificate, where it was given the trusted authority, or none. */
async function missingAt(certificate: Certificate, ca: string | undefined): Promise<readonly string[]> {
  const url = await trial.before(plain, certificate)
  const sink = weaviateSink({ tables: [notice], embedder: deterministicEmbedder(), url, apiKey: 'planted-key', ca })
  try {
    return (await sink.missing()).map(({ name }) => name)
  } finally {
    await sink.close()
  }
}

test('a server whose certificate is of the named authority is talked to', async () => {
  expect(await missingAt(trial.goodCertificate, trial.trustedCa)).toEqual(['Notice'])
  expect(trial.received()).toBeGreaterThan(0)
})

test.each(REFUSED_CERTIFICATES)('nothing is sent to a server whose certificate %s', async (_what, issue, ca, why) => {
  await expect(missingAt(issue(trial), ca(trial))).rejects.toMatchObject({
    code: 'SINK_UNREACHABLE',
    why: expect.stringMatching(why) as string,
    ways: [expect.stringContaining('WEAVIATE_CA_FILE')] as string[],
  })
  expect(trial.received()).toBe(0)
})

test('no text and no token is sent to an embedder whose certificate is of another authority', async () => {
  const url = await trial.before(plain, trial.certificateOfAnother)
  const of = { url, name: 'm', version: 1, dimensions: 2, token: 'planted-token', ca: trial.trustedCa }
  const embedder = httpEmbedder(of)
  await expect(embedder.embed(['planted text'])).rejects.toThrow(/authority that is not trusted|signature of its certificate/)
  expect(trial.received()).toBe(0)
  embedder.close()
})
