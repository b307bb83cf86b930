/** ClickHouse for tests and demos: the server that `SLUICE_TEST_CLICKHOUSE_URL` names, else its engine in a local process. */
import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { downloadClickhouse } from './clickhouse-download.ts'
import { claimPort } from './free-port.ts'
import type { ServerControl } from './local-server.ts'
import { startOwnServer } from './own-server.ts'
import type { ProcessSpec } from './process-spec.ts'
import type { OnServerProgress } from './progress.ts'
import { createRunFolder } from './run-folder.ts'

export interface Clickhouse {
  /** `http://user:password@host:port`, without a database. */
  readonly url: string
  /** Null for a server that was given: it belongs to somebody else. */
  readonly control: ServerControl | null
  /** Ends the process and removes its data. */
  remove(): Promise<void>
}

/** Where ClickHouse is given for tests, demos and benchmarks. */
export const TEST_CLICKHOUSE_VARIABLE = 'SLUICE_TEST_CLICKHOUSE_URL'

/** @throws SluiceError SLU-7001 to SLU-7004 */
export async function startClickhouse(onProgress: OnServerProgress = () => undefined): Promise<Clickhouse> {
  const given = process.env[TEST_CLICKHOUSE_VARIABLE]
  if (given !== undefined && given !== '') return { url: given, control: null, remove: () => Promise.resolve() }
  const engine = await downloadClickhouse(onProgress)
  const runFolder = createRunFolder()
  const folder = join(runFolder, 'clickhouse')
  await mkdir(folder, { mode: 0o700 })
  const port = await claimPort(runFolder)
  const password = randomBytes(12).toString('hex')
  const program = fileURLToPath(new URL('./clickhouse-process.ts', import.meta.url))
  const spec: ProcessSpec = {
    name: 'ClickHouse',
    file: process.execPath,
    args: [program, engine, join(folder, 'data'), String(port)],
    cwd: folder,
    env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C.UTF-8', TZ: 'UTC', CLICKHOUSE_PASSWORD: password },
    logFile: join(folder, 'server.log'),
    stopSignal: 'SIGTERM',
    endSignal: 'SIGKILL',
  }
  const server = await startOwnServer(runFolder, spec, () => ping(port))
  return { url: `http://default:${password}@127.0.0.1:${port}`, control: server, remove: () => server.remove() }
}

async function ping(port: number): Promise<void> {
  const response = await fetch(`http://127.0.0.1:${port}/ping`, { signal: AbortSignal.timeout(5_000) })
  await response.body?.cancel()
  if (!response.ok) throw new Error(`status ${response.status}`)
}
