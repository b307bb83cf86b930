/** Servers for one end-to-end test or benchmark, ended with it. They are its own, so that it may stop and kill them. */
import { printProgress, type RunningServers, startServers } from '@sluice/infra'

export interface TestServers extends AsyncDisposable {
  readonly running: RunningServers
}

export async function startTestServers(): Promise<TestServers> {
  const running = await startServers({
    monolith: true,
    pipeline: true,
    services: true,
    kafka: true,
    registry: true,
    onProgress: printProgress(process.stderr),
  })
  return { running, [Symbol.asyncDispose]: () => running.stop() }
}
