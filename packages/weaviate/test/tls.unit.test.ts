/** Weaviate and an embedder behind TLS: the authority that is named is the one that is trusted, and secrets go to nobody else. */
import { readFileSync } from 'node:fs'
import { table, text, topic, uuid, weaviateObjects } from '@sluice/system'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { Authority, type Certificate } from '../../postgres/test/certificates.ts'
import { type TlsProxy, startTlsProxy } from '../../postgres/test/tls-proxy.ts'
import { deterministicEmbedder, httpEmbedder, weaviateSink } from '../src/index.ts'
import { WeaviateStandIn } from './stand-in.ts'

const HOSTS = ['DNS:localhost']

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

let trusted: Authority
let other: Authority
let server: WeaviateStandIn
let plain: URL
let proxy: TlsProxy

beforeAll(async () => {
  trusted = new Authority()
  other = new Authority()
  server = new WeaviateStandIn()
  plain = await server.listen()
})
afterEach(() => {
  proxy.close()
})
afterAll(async () => {
  await server.close()
  trusted.remove()
  other.remove()
})

/** What a process asks first of a server with this certificate, where it was given the trusted authority, or none. */
async function missingAt(certificate: Certificate, ca: string | undefined): Promise<readonly string[]> {
  proxy = await startTlsProxy(plain, certificate)
  const sink = weaviateSink({ tables: [notice], embedder: deterministicEmbedder(), url: proxy.url, apiKey: 'planted-key', ca })
  try {
    return (await sink.missing()).map(({ name }) => name)
  } finally {
    await sink.close()
  }
}

const trustedCa = (): string => readFileSync(trusted.file, 'utf8')

test('a server whose certificate is of the named authority is talked to', async () => {
  expect(await missingAt(trusted.issue(HOSTS), trustedCa())).toEqual(['Notice'])
  expect(proxy.received()).toBeGreaterThan(0)
})

const REFUSED = [
  ['is of another authority', () => other.issue(HOSTS), trustedCa, /authority that is not trusted|signature of its certificate/],
  ['is of an authority that nobody named', () => trusted.issue(HOSTS), () => undefined, /authority that is not trusted/],
  ['is for another host', () => trusted.issue(['DNS:weaviate.example.org']), trustedCa, /another host/],
  ['has expired', () => trusted.issue(HOSTS, { days: -1 }), trustedCa, /has expired/],
] as const

test.each(REFUSED)('nothing is sent to a server whose certificate %s', async (_what, issue, ca, why) => {
  await expect(missingAt(issue(), ca())).rejects.toMatchObject({
    code: 'SINK_UNREACHABLE',
    why: expect.stringMatching(why) as string,
    ways: [expect.stringContaining('WEAVIATE_CA_FILE')] as string[],
  })
  expect(proxy.received()).toBe(0)
})

test('no text and no token is sent to an embedder whose certificate is of another authority', async () => {
  proxy = await startTlsProxy(plain, other.issue(HOSTS))
  const of = { url: proxy.url, name: 'm', version: 1, dimensions: 2, token: 'planted-token', ca: trustedCa() }
  const embedder = httpEmbedder(of)
  await expect(embedder.embed(['planted text'])).rejects.toThrow(/authority that is not trusted|signature of its certificate/)
  expect(proxy.received()).toBe(0)
  embedder.close()
})
