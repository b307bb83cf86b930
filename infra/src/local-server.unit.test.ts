import { execFileSync } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { LocalServer } from './local-server.ts'
import { ProcessLauncher } from './process-launcher.ts'
import { createRunFolder } from './run-folder.ts'

test('kill9 takes every child along, also those that are made meanwhile', async () => {
  const folder = createRunFolder()
  const launcher = new ProcessLauncher(folder, false)
  // Its children are told apart from others by how long they sleep.
  const child = `sleep 60.${randomInt(1_000_000, 9_999_999)}`
  const children = (): number => execFileSync('ps', ['-A', '-o', 'args='], { encoding: 'utf8' }).split(child).length - 1
  const server = new LocalServer(
    launcher,
    {
      name: 'a busy server',
      file: '/bin/sh',
      args: ['-c', `while :; do ${child} & sleep 0.002; done`],
      cwd: folder,
      env: { PATH: '/usr/bin:/bin' },
      logFile: join(folder, 'server.log'),
      stopSignal: 'SIGTERM',
      endSignal: 'SIGKILL',
    },
    () => Promise.resolve(),
  )
  try {
    await server.start()
    await expect.poll(children, { timeout: 8_000 }).toBeGreaterThan(5)
    await server.kill9()
    expect(children()).toBe(0)
  } finally {
    await launcher.end()
  }
})
