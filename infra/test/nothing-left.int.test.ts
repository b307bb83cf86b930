import { once } from 'node:events'
import pg from 'pg'
import { expect, test } from 'vitest'
import { areGone } from '../src/end-processes.ts'
import { signalProcess } from '../src/process-identity.ts'
import { startServers } from '../src/start-servers.ts'
import { leftovers, runLauncher, type RunningLauncher } from './running-launcher.ts'

const NOTHING = { running: [], isFolderThere: false }

async function endOfRun(launcher: RunningLauncher): Promise<void> {
  // The watcher ends last, after servers and folder.
  await areGone([launcher.watcher], 30_000)
}

test('kill -9 of the launcher leaves no process and no folder', async () => {
  const launcher = await runLauncher('pipeline', 'kafka')
  expect(leftovers(launcher)).toMatchObject({ isFolderThere: true, running: launcher.processes })
  expect(launcher.processes).toHaveLength(3)
  launcher.child.kill('SIGKILL')
  await endOfRun(launcher)
  expect(leftovers(launcher)).toEqual(NOTHING)
})

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)('%s to a launcher without handlers leaves nothing', async (signal) => {
  const launcher = await runLauncher('pipeline')
  launcher.child.kill(signal)
  await endOfRun(launcher)
  expect(leftovers(launcher)).toEqual(NOTHING)
})

test('a launcher that returns without stopping its servers ends, and they with it', async () => {
  const launcher = await runLauncher('pipeline')
  launcher.child.stdin.end()
  expect(await once(launcher.child, 'exit')).toEqual([0, null])
  await endOfRun(launcher)
  expect(leftovers(launcher)).toEqual(NOTHING)
})

test('what launcher and watcher leave when both are killed, the next start removes', async () => {
  const launcher = await runLauncher('pipeline')
  signalProcess(launcher.watcher, 'SIGKILL')
  launcher.child.kill('SIGKILL')
  await areGone([launcher.watcher], 10_000)
  expect(leftovers(launcher).running).not.toEqual([])
  const next = await startServers({ useContainers: false })
  await next.stop()
  expect(leftovers(launcher)).toEqual(NOTHING)
})

test('two runs side by side do not meet', async () => {
  const [first, second] = await Promise.all([runLauncher('pipeline'), runLauncher('pipeline')])
  expect(first.servers[0]!.url).not.toBe(second.servers[0]!.url)
  expect(await systemIdentifier(first.servers[0]!.url)).not.toBe(await systemIdentifier(second.servers[0]!.url))
  first.child.kill('SIGKILL')
  await endOfRun(first)
  expect(leftovers(first)).toEqual(NOTHING)
  expect(await systemIdentifier(second.servers[0]!.url)).toMatch(/^\d+$/)
  second.child.kill('SIGKILL')
  await endOfRun(second)
  expect(leftovers(second)).toEqual(NOTHING)
})

async function systemIdentifier(url: string): Promise<string> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const { rows } = await client.query<{ id: string }>('SELECT system_identifier::text AS id FROM pg_control_system()')
    return rows[0]!.id
  } finally {
    await client.end()
  }
}
