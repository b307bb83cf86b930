/**
 * Weaviate as a local process: one node, loopback only, no module that makes vectors, and nothing sent to its makers.
 * https://docs.weaviate.io/deploy/configuration/env-vars
 */
import { join } from 'node:path'
import { claimPort, claimPortPair } from './free-port.ts'
import { type OwnServer, startOwnServer } from './own-server.ts'
import type { OnServerProgress } from './progress.ts'
import { createRunFolder } from './run-folder.ts'
import { buildWeaviate } from './weaviate-build.ts'

export interface LocalWeaviate extends OwnServer {
  readonly url: string
}

const PROBE_TIMEOUT_MS = 5_000
const MEMORY_LIMIT = '512MiB'

/** The server that `SLUICE_TEST_WEAVIATE_URL` names belongs to somebody else; ask for it before starting one. */
export function givenWeaviate(environment: Readonly<Record<string, string | undefined>>): string | undefined {
  const url = environment['SLUICE_TEST_WEAVIATE_URL']
  return url === '' ? undefined : url
}

/** @throws SluiceError SLU-7001 to SLU-7004 */
export async function startWeaviate(onProgress: OnServerProgress = () => undefined): Promise<LocalWeaviate> {
  const { file } = await buildWeaviate(onProgress)
  const runFolder = createRunFolder()
  const port = await claimPort(runFolder)
  // On the loopback interface Weaviate takes the port behind each of these for what belongs to it.
  const [gossipPort, raftPort] = [await claimPortPair(runFolder), await claimPortPair(runFolder)]
  const url = `http://127.0.0.1:${port}`
  const server = await startOwnServer(
    runFolder,
    {
      name: 'weaviate',
      file,
      args: ['--host', '127.0.0.1', '--port', String(port), '--scheme', 'http'],
      cwd: runFolder,
      env: {
        LC_ALL: 'C',
        PATH: '/usr/bin:/bin',
        GOMEMLIMIT: MEMORY_LIMIT,
        PERSISTENCE_DATA_PATH: join(runFolder, 'data'),
        AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED: 'true',
        DEFAULT_VECTORIZER_MODULE: 'none',
        AUTOSCHEMA_ENABLED: 'false',
        DISABLE_TELEMETRY: 'true',
        GO_PROFILING_DISABLE: 'true',
        CLUSTER_HOSTNAME: 'node1',
        CLUSTER_IN_LOCALHOST: 'true',
        CLUSTER_ADVERTISE_ADDR: '127.0.0.1',
        CLUSTER_GOSSIP_BIND_PORT: String(gossipPort),
        CLUSTER_DATA_BIND_PORT: String(gossipPort + 1),
        RAFT_PORT: String(raftPort),
        RAFT_INTERNAL_RPC_PORT: String(raftPort + 1),
        RAFT_JOIN: `node1:${raftPort}`,
        RAFT_BOOTSTRAP_EXPECT: '1',
        GRPC_PORT: String(await claimPort(runFolder)),
      },
      logFile: join(runFolder, 'weaviate.log'),
      stopSignal: 'SIGTERM',
      endSignal: 'SIGKILL',
    },
    () => probe(url),
  )
  return { url, ...server }
}

/** It answers before it has its classes; then it is ready. */
async function probe(url: string): Promise<void> {
  const response = await fetch(`${url}/v1/.well-known/ready`, { signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) })
  await response.body?.cancel()
  if (!response.ok) throw new Error(`status ${response.status}`)
}
