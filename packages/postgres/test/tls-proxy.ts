/** TLS in front of a server that has none: what a client sends is decrypted and handed on as it is, and so is what comes back. */
import { once } from 'node:events'
import { type AddressInfo, connect } from 'node:net'
import { type TLSSocket, createServer } from 'node:tls'
import type { Certificate } from './certificates.ts'

export interface TlsProxy {
  /** `https://localhost:…` */
  readonly url: URL
  /** Bytes that clients sent, decrypted. */
  readonly received: () => number
  close(): void
}

/** @param target Of a server on this machine. */
export async function startTlsProxy(target: URL, { key, certificate }: Certificate): Promise<TlsProxy> {
  const open = new Set<TLSSocket>()
  let received = 0
  const server = createServer({ key, cert: certificate }, (client) => {
    open.add(client)
    client.on('close', () => open.delete(client))
    client.on('data', (bytes: Buffer) => (received += bytes.length))
    const upstream = connect(Number(target.port), target.hostname)
    client.pipe(upstream).pipe(client)
    // Either end may go at any time, and takes the other one with it.
    for (const [end, far] of [
      [client, upstream],
      [upstream, client],
    ] as const)
      end.on('error', () => far.destroy()).on('close', () => far.destroy())
  })
  // Clients that refuse the certificate.
  server.on('tlsClientError', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    url: new URL(`https://localhost:${port}`),
    received: () => received,
    close: () => {
      server.close()
      for (const client of open) client.destroy()
    },
  }
}
