/** One local server for itself, beside those that `startServers` starts: in a run folder of its own, which goes with it. */
import { LocalServer, type ServerControl } from './local-server.ts'
import { ProcessLauncher } from './process-launcher.ts'
import type { ProcessSpec } from './process-spec.ts'
import type { Probe } from './server-probe.ts'

export interface OwnServer extends ServerControl {
  /** Ends the process and removes its files. */
  remove(): Promise<void>
}

/** @throws SluiceError SLU-7001; then nothing of it is left */
export async function startOwnServer(runFolder: string, spec: ProcessSpec, probe: Probe): Promise<OwnServer> {
  const launcher = new ProcessLauncher(runFolder, false)
  const server = new LocalServer(launcher, spec, probe)
  try {
    await server.start()
  } catch (error) {
    await launcher.end()
    throw error
  }
  return {
    start: () => server.start(),
    stop: () => server.stop(),
    kill9: () => server.kill9(),
    restart: () => server.restart(),
    remove: () => launcher.end(),
  }
}
