import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import pg from 'pg'
import { afterEach, expect, test } from 'vitest'
import { detachedStatus, stopDetachedServers } from '../src/detached-servers.ts'
import { readDetachedState } from '../src/detached-state.ts'
import { isRunning } from '../src/process-identity.ts'
import { startServers } from '../src/start-servers.ts'

const project = `test-${randomBytes(4).toString('hex')}`
const up = () => startServers({ pipeline: true, lifetime: 'detached', project, useContainers: false })

afterEach(async () => {
  await stopDetachedServers(project)
})

test('detached servers are in the state file, and down ends exactly them', async () => {
  expect(detachedStatus(project)).toBeUndefined()
  const attached = await startServers({ pipeline: true, useContainers: false })
  const detached = await up()
  const state = readDetachedState(project)!
  expect(detachedStatus(project)).toMatchObject({
    project,
    servers: [{ name: 'pipeline', url: detached.pipeline.url, isRunning: true }],
  })
  expect(await stopDetachedServers(project)).toEqual(['pipeline'])
  expect(isRunning(state.servers[0]!.process)).toBe(false)
  expect(existsSync(state.runFolder)).toBe(false)
  expect(detachedStatus(project)).toBeUndefined()
  await select(attached.pipeline.url)
  await attached.stop()
})

test('a second up gives back what runs, and starts what was killed on its data', async () => {
  const first = await up()
  await select(first.pipeline.url, 'CREATE TABLE kept (n int)')
  const second = await up()
  expect(second.pipeline.url).toBe(first.pipeline.url)
  await second.pipeline.kill9()
  expect(detachedStatus(project)!.servers).toMatchObject([{ isRunning: false }])
  const third = await up()
  expect(third.pipeline.url).toBe(first.pipeline.url)
  await select(third.pipeline.url, 'SELECT n FROM kept')
})

test('down with data kept stops cleanly; the next up has the data', async () => {
  const first = await up()
  await select(first.pipeline.url, 'CREATE TABLE kept (n int)')
  await stopDetachedServers(project, { isDataKept: true })
  expect(detachedStatus(project)!.servers).toMatchObject([{ isRunning: false }])
  const again = await up()
  await select(again.pipeline.url, 'SELECT n FROM kept')
})

async function select(url: string, sql = 'SELECT 1'): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(sql)
  } finally {
    await client.end()
  }
}
