import { once } from 'node:events'
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { TcpProxy } from './tcp-proxy.ts'

let server: Server
let proxy: TcpProxy
const clients: Socket[] = []

beforeEach(async () => {
  server = createServer((socket) => socket.on('error', () => undefined).pipe(socket)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  proxy = await TcpProxy.start({ host: '127.0.0.1', port })
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy()
  await proxy[Symbol.asyncDispose]()
  server.close()
})

async function dial(): Promise<Socket> {
  const client = connect({ host: '127.0.0.1', port: proxy.port })
  clients.push(client)
  await once(client, 'connect')
  return client
}

async function echo(client: Socket, text: string): Promise<string> {
  client.write(text)
  const [data] = (await once(client, 'data')) as [Buffer]
  return data.toString()
}

test('what is sent comes back, and an end on one side is an end on the other', async () => {
  const client = await dial()
  expect(await echo(client, 'there and back')).toBe('there and back')
  client.end()
  await once(client, 'close')
})

test('a cut resets what is open, and the next connection is taken', async () => {
  const client = await dial()
  await echo(client, 'open')
  proxy.cut()
  const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException]
  expect(error.code).toBe('ECONNRESET')
  expect(await echo(await dial(), 'again')).toBe('again')
})

test('stalled, nothing moves and nothing breaks; afterwards everything arrives', async () => {
  const client = await dial()
  await echo(client, 'before')
  proxy.stall()
  const answer = echo(client, 'during')
  const first = await Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 50, 'nothing'))])
  expect(first).toBe('nothing')
  proxy.pass()
  expect(await answer).toBe('during')
})

test('delayed, a piece waits on its way there and on its way back', async () => {
  const client = await dial()
  proxy.delay(30)
  const startedAt = performance.now()
  await echo(client, 'slow')
  expect(performance.now() - startedAt).toBeGreaterThan(55)
})

test('refusing, whoever comes is reset', async () => {
  proxy.refuse()
  const client = connect({ host: '127.0.0.1', port: proxy.port })
  clients.push(client)
  await once(client, 'error')
  proxy.pass()
  expect(await echo(await dial(), 'again')).toBe('again')
})
