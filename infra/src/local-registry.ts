/** The Apicurio schema registry as a local process, in memory: what is registered ends with the process. */
import { execFile } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { claimPort } from './free-port.ts'
import { deriveFromPart, installPart } from './install-part.ts'
import type { LocalServerPlan } from './local-plan.ts'
import { pinnedPart } from './parts.ts'
import type { OnServerProgress } from './progress.ts'
import { requireJava, requireTar } from './required-tool.ts'
import { REGISTRY_API_PATH, REGISTRY_HEAP_MIB, SHORT_LIVED_JVM_FLAGS, VERSIONS } from './server-settings.ts'

const run = promisify(execFile)

/** @throws SluiceError SLU-7001 to SLU-7004 */
export async function prepareLocalRegistry(runFolder: string, onProgress: OnServerProgress): Promise<LocalServerPlan> {
  requireJava()
  const application = await unpack(onProgress)
  const folder = join(runFolder, 'registry')
  const port = await claimPort(runFolder)
  await mkdir(folder, { mode: 0o700 })
  const jar = join(application, `apicurio-registry-app-${VERSIONS.registry}-runner.jar`)
  const quarkus = ['-Dquarkus.http.host=127.0.0.1', `-Dquarkus.http.port=${port}`]
  return {
    url: `http://127.0.0.1:${port}${REGISTRY_API_PATH}`,
    spec: {
      name: 'the schema registry',
      file: 'java',
      args: [`-Xmx${REGISTRY_HEAP_MIB}m`, ...SHORT_LIVED_JVM_FLAGS, ...quarkus, '-jar', jar],
      cwd: folder,
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C.UTF-8' },
      logFile: join(folder, 'server.log'),
      stopSignal: 'SIGTERM',
      endSignal: 'SIGKILL',
    },
  }
}

/** The archive was verified when it was downloaded; it is unpacked once. */
async function unpack(onProgress: OnServerProgress): Promise<string> {
  const archives = await installPart('registry', onProgress)
  const [archive] = pinnedPart('registry').files
  return deriveFromPart('registry', 'unpacked', async (folder) => {
    requireTar()
    await run('tar', ['-xzf', join(archives, archive!.name), '-C', folder])
  })
}
