/** What `startServers` hands back. */
import type { ServerControl } from './local-server.ts'
import type { ServerOrigin } from './progress.ts'
import type { ServerName } from './server-settings.ts'

/** A server that answers. One that was given by URL belongs to somebody else: stopping or starting it is refused with SLU-7001. */
export interface RunningServer extends ServerControl {
  readonly name: ServerName
  readonly origin: ServerOrigin
  /** PostgreSQL: URL with user, password and database `postgres`. Kafka: `host:port`. Registry: base URL of its compatible API. */
  readonly url: string
}

export class RunningServers {
  /**
   * Folder of the run. What is put there goes with the servers: with their stop, with the end of the process that started
   * attached ones however it ends, or at the latest with the next start.
   */
  readonly folder: string
  readonly #servers: ReadonlyMap<ServerName, RunningServer>
  readonly #stop: () => Promise<void>

  constructor(folder: string, servers: readonly RunningServer[], stop: () => Promise<void>) {
    this.folder = folder
    this.#servers = new Map(servers.map((server) => [server.name, server]))
    this.#stop = stop
  }

  get monolith(): RunningServer {
    return this.get('monolith')
  }

  get pipeline(): RunningServer {
    return this.get('pipeline')
  }

  get services(): RunningServer {
    return this.get('services')
  }

  get kafka(): RunningServer {
    return this.get('kafka')
  }

  get registry(): RunningServer {
    return this.get('registry')
  }

  /** Every server that was asked for. */
  get all(): readonly RunningServer[] {
    return [...this.#servers.values()]
  }

  /** Asking for a server that was not requested is a mistake in the program. */
  get(name: ServerName): RunningServer {
    const server = this.#servers.get(name)
    if (server === undefined) throw new Error(`server ${name} was not requested from startServers`)
    return server
  }

  /** Ends every server started here and removes its data; those given by URL go on. */
  async stop(): Promise<void> {
    await this.#stop()
  }
}
