/** A connection whose network says nothing any more is given up, and the next use has a new one. */
import { type Server, type Socket, connect as dial, createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { RoleConnection, postgresTarget } from '../src/index.ts'

const url = new URL(process.env['SLUICE_TEST_SERVICES_URL']!)
const fromServer: Socket[] = []
let line: Server
let through: string

beforeAll(async () => {
  line = createServer((client) => {
    const server = dial({ host: url.hostname, port: Number(url.port) })
    for (const socket of [client, server]) socket.on('error', () => undefined)
    client.pipe(server).pipe(client)
    client.once('close', () => server.destroy())
    fromServer.push(server)
  })
  await new Promise<void>((resolve) => line.listen(0, '127.0.0.1', resolve))
  const silent = new URL(url)
  silent.hostname = '127.0.0.1'
  silent.port = String((line.address() as AddressInfo).port)
  through = silent.href
})
afterAll(async () => {
  vi.useRealTimers()
  for (const socket of fromServer) socket.destroy()
  await new Promise((resolve) => line.close(resolve))
})

/** It passes when the test says so: a slow server is not a silent one. */
const ANSWER_TIMEOUT_MS = 500

test('a query that gets no answer ends as a lost connection does, and the next one works', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  const options = { applicationName: 'test', answerTimeoutMs: ANSWER_TIMEOUT_MS }
  const connection = new RoleConnection(postgresTarget('silent', through), 'nobody_has_this_role', options)
  const one = (): Promise<unknown> =>
    connection.use(async (client) => (await client.query<{ one: number }>('SELECT 1 AS one')).rows)
  expect(await one()).toEqual([{ one: 1 }])
  // What the server says from now on stays in the line.
  fromServer[0]!.unpipe()
  const unanswered = expect(one()).rejects.toMatchObject({ code: 'POSTGRES_CONNECTION_LOST' })
  await vi.advanceTimersByTimeAsync(ANSWER_TIMEOUT_MS)
  await unanswered
  expect(await one()).toEqual([{ one: 1 }])
  expect(fromServer).toHaveLength(2)
  await connection.close()
})
