/** Servers for one end-to-end test or benchmark, ended with it. They are its own, so that it may stop and kill them. */
import { type PostgresMajor, printProgress, type RunningServers, startServers } from '@sluice/infra'

export interface TestServers extends AsyncDisposable {
  readonly running: RunningServers
}

export interface TestServersOptions {
  /** @default that of the infra package */
  readonly postgres?: PostgresMajor
  /** Settings of the monolith's server. @default none */
  readonly monolithSettings?: Readonly<Record<string, string>>
  /** Settings of the broker. @default none */
  readonly kafkaSettings?: Readonly<Record<string, string>>
}

export async function startTestServers({
  postgres,
  monolithSettings = {},
  kafkaSettings = {},
}: TestServersOptions = {}): Promise<TestServers> {
  const running = await startServers({
    monolith: { settings: monolithSettings },
    pipeline: true,
    services: true,
    kafka: { settings: kafkaSettings },
    registry: true,
    ...(postgres === undefined ? {} : { postgres }),
    onProgress: printProgress(process.stderr),
  })
  return { running, [Symbol.asyncDispose]: () => running.stop() }
}
