/** Brokers and a registry that show a certificate which can not be trusted: what the clients say of it. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type Server as HttpsServer, createServer as createHttpsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type Server, createServer, getCACertificates, setDefaultCACertificates } from 'node:tls'
import { createSchemaRegistry } from '@sluice/avro'
import { silentLogger } from '@sluice/core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Authority } from '../../postgres/test/certificates.ts'
import { createKafka } from '../src/index.ts'

const HOSTS = ['DNS:localhost', 'IP:127.0.0.1']

let trusted: Authority
let other: Authority
const before = getCACertificates('default')

beforeAll(() => {
  trusted = new Authority()
  other = new Authority()
  // Whoever starts a process does this with NODE_EXTRA_CA_CERTS.
  setDefaultCACertificates([...before, readFileSync(trusted.file, 'utf8')])
})

afterAll(() => {
  setDefaultCACertificates(before)
  trusted.remove()
  other.remove()
})

async function portOf(server: Server | HttpsServer): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

test('a broker whose certificate has expired is not talked to', async () => {
  const { key, certificate } = trusted.issue(HOSTS, { days: -1 })
  let received = 0
  const broker = createServer({ key, cert: certificate }, (socket) =>
    socket.on('data', (bytes: Buffer) => (received += bytes.length)),
  )
  broker.on('tlsClientError', () => undefined)
  const brokers = [`localhost:${await portOf(broker)}`]
  const ssl = { ca: readFileSync(trusted.file, 'utf8') }
  await expect(createKafka({ brokers, clientId: 'certificates', logger: silentLogger, ssl }).admin()).rejects.toMatchObject({
    code: 'CERTIFICATE_REFUSED',
    why: expect.stringContaining('has expired') as string,
    ways: expect.arrayContaining([expect.stringContaining('KAFKA_SSL_CA_FILE')]) as string[],
  })
  expect(received).toBe(0)
  broker.close()
})

describe('a registry whose certificate', () => {
  const CASES = [
    ['has expired', () => trusted.issue(HOSTS, { days: -1 }), /has expired/],
    ['is for another host', () => trusted.issue(['DNS:kafka.example.org']), /another host/],
    ['is of another authority', () => other.issue(HOSTS), /authority that is not trusted/],
  ] as const

  async function ask(certificate: ReturnType<Authority['issue']>): Promise<void> {
    const server = createHttpsServer({ key: certificate.key, cert: certificate.certificate }, (_request, answer) => {
      answer.setHeader('content-type', 'application/json').end('[]')
    })
    try {
      await createSchemaRegistry({ url: `https://localhost:${await portOf(server)}` }).ping()
    } finally {
      server.close()
      server.closeAllConnections()
    }
  }

  test.each(CASES)('%s is not talked to', async (_what, issue, why) => {
    await expect(ask(issue())).rejects.toMatchObject({
      code: 'CERTIFICATE_REFUSED',
      why: expect.stringMatching(why) as string,
      ways: expect.arrayContaining([expect.stringContaining('NODE_EXTRA_CA_CERTS')]) as string[],
    })
  })

  test('is verified answers', async () => {
    await ask(trusted.issue(HOSTS))
  })
})
