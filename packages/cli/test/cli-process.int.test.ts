/** The command as a process: exit codes, streams, signals, probes. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { type Server, createServer } from 'node:net'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, test } from 'vitest'

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const UNREACHABLE = 'postgresql://ann:hush@127.0.0.1:1/nothing'

const started: ChildProcessWithoutNullStreams[] = []
const listening: Server[] = []

afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
  for (const server of listening.splice(0)) server.close()
})

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcessWithoutNullStreams {
  const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(SLUICE|KAFKA|SCHEMA)_|COLOR/.test(name)))
  const child = spawn(process.execPath, [MAIN, ...args], { env: { ...own, ...env } })
  started.push(child)
  return child
}

async function run(args: readonly string[], env?: Readonly<Record<string, string>>) {
  const child = start(args, env)
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
  const [code] = (await once(child, 'close')) as [number]
  return { code, stdout, stderr }
}

/** The log field of the first line that has it. */
async function logged(child: ChildProcessWithoutNullStreams, field: string): Promise<unknown> {
  for await (const line of createInterface({ input: child.stderr })) {
    if (!line.startsWith('{')) continue
    const fields = JSON.parse(line) as Record<string, unknown>
    if (field in fields) return fields[field]
  }
  throw new Error(`the process ended without logging ${field}`)
}

/** A server that takes connections and never answers. */
async function deafServer(): Promise<string> {
  const server = createServer(() => undefined)
  listening.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no address')
  return `postgresql://ann:hush@127.0.0.1:${address.port}/nothing`
}

describe('data and talk', () => {
  test('help is data', async () => {
    const { code, stdout, stderr } = await run(['--help'])
    expect(code).toBe(0)
    expect(stdout).toContain('Usage: sluice')
    expect(stderr).toBe('')
  })

  test('an error is talk, in ASCII without colour when no terminal reads it', async () => {
    const { code, stdout, stderr } = await run(['verfy'])
    expect(code).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/^x SLU-1001 {2}/)
    expect(stderr).toContain('Did you mean verify?')
    expect(stderr).toContain('more  sluice explain SLU-1001')
    expect(stderr).not.toContain('\u001B')
  })

  test('under --json stdout is one envelope and nothing else, also for an error', async () => {
    const good = await run(['explain', 'SLU-2020', '--json'])
    expect(JSON.parse(good.stdout)).toMatchObject({ v: 1, command: 'explain', ok: true, error: null, result: { exit: 3 } })
    const bad = await run(['--json', 'verify'])
    expect(bad.code).toBe(2)
    expect(JSON.parse(bad.stdout)).toMatchObject({ v: 1, ok: false, result: null, error: { code: 'SLU-1002' } })
    const unknown = await run(['--json', 'verfy'])
    expect(JSON.parse(unknown.stdout)).toMatchObject({ ok: false, error: { code: 'SLU-1001' } })
  })

  test('a group without a command is a mistake: exit 2', async () => {
    expect((await run(['run'])).code).toBe(2)
  })
})

describe('configuration', () => {
  test('an unknown system is refused with those there are', async () => {
    const { code, stderr } = await run(['doctor', '--system', 'nowhere'])
    expect(code).toBe(2)
    expect(stderr).toContain('SLU-1004')
    expect(stderr).toContain('--system medcontracthub')
  })

  test('every missing setting is named at once', async () => {
    const { code, stderr } = await run(['status', '--system', 'medcontracthub'])
    expect(code).toBe(2)
    for (const name of ['SLUICE_MONOLITH_URL', 'SLUICE_PIPELINE_URL', 'SLUICE_ANALYTICS_URL', 'KAFKA_BROKERS']) {
      expect(stderr).toContain(`export ${name}=`)
    }
  })

  test('a settings file that is not there is refused', async () => {
    expect((await run(['doctor', '--settings', '/no/such/file'])).code).toBe(2)
  })
})

describe('the environment', () => {
  test('a server that can not be reached: exit 3, no password', async () => {
    const { code, stderr, stdout } = await run(['events', '--system', 'medcontracthub'], { SLUICE_PIPELINE_URL: UNREACHABLE })
    expect(code).toBe(3)
    expect(stderr).toContain('SLU-2001')
    expect(stderr).toContain('127.0.0.1:1/nothing')
    expect(stderr + stdout).not.toContain('hush')
  })
})

describe('a running process', () => {
  const env = { SLUICE_SYSTEM: 'medcontracthub', SLUICE_MONOLITH_URL: UNREACHABLE, SLUICE_PIPELINE_URL: UNREACHABLE }

  test('goes on trying while a server is away: alive, not ready, and says why; SIGTERM stops it cleanly', async () => {
    const child = start(['run', 'reader', 'monolith'], env)
    const port = await logged(child, 'healthPort')
    const base = `http://127.0.0.1:${String(port)}`
    expect((await fetch(`${base}/livez`)).status).toBe(200)
    expect((await fetch(`${base}/readyz`)).status).toBe(503)
    await logged(child, 'waitMs')
    child.stderr.resume()
    // However often it is begun again: without progress it is not ready.
    for (let i = 0; i < 20; i += 1) {
      const ready = await fetch(`${base}/readyz`)
      expect(ready.status).toBe(503)
      expect(await ready.json()).toMatchObject({ mode: 'failing', reason: expect.stringContaining('SLU-2001') as string })
    }
    const metrics = await (await fetch(`${base}/metrics`)).text()
    expect(metrics).toContain('sluice_health_status{component="engine",check="reader.monolith",status="warning"} 1')
    expect(metrics).toContain('sluice_reader_connected{lane="monolith"} 0')
    const probe = await run(['health', '--health-port', String(port)])
    expect(probe.code).toBe(4)
    expect((await run(['health', '--live', '--health-port', String(port)])).code).toBe(0)
    child.kill('SIGTERM')
    expect(await once(child, 'close')).toEqual([0, null])
    expect((await run(['health', '--health-port', String(port)])).code).toBe(3)
  })

  test('a second signal ends it at once with 128 + n', async () => {
    const deaf = await deafServer()
    const child = start(['run', 'reader', 'monolith'], { ...env, SLUICE_PIPELINE_URL: deaf, SLUICE_MONOLITH_URL: deaf })
    await logged(child, 'healthPort')
    const talk = createInterface({ input: child.stderr })
    child.kill('SIGTERM')
    for await (const line of talk) if (line.startsWith('SIGTERM: stopping cleanly')) break
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([143, null])
  })

  test('stops when its standard input ends, if it was told to', async () => {
    const child = start(['run', 'reader', 'monolith', '--stop-with-stdin'], env)
    await logged(child, 'healthPort')
    child.stderr.resume()
    child.stdin.end()
    expect(await once(child, 'close')).toEqual([0, null])
  })

  test('an error that does not pass ends it with the exit code of the error', async () => {
    const { code, stderr } = await run(['run', 'projector', 'billing'], { SLUICE_SYSTEM: 'medcontracthub' })
    expect(code).toBe(2)
    expect(stderr).toContain('SLU-5002')
  })
})
