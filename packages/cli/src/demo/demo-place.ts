/**
 * Where a demo runs: servers of its own (or those of SLUICE_TEST_…), in databases that it makes and marks. It reads no other
 * URL, so that it can never write to a database that somebody needs.
 */
import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import {
  type Clickhouse,
  type LocalWeaviate,
  type OnServerProgress,
  type TestDatabase,
  createTestDatabase,
  describeProgress,
  startClickhouse,
  startServers,
  startWeaviate,
  testServerRequests,
} from '@sluice/infra'
import type { SystemDefinition } from '@sluice/system'
import { urlVariable } from '../deployment.ts'
import type { Phase } from '../progress.ts'
import { sinkVariable } from '../sinks.ts'
import { DETERMINISTIC, embedderVariable } from '../weaviate-of.ts'

export interface DemoPlace {
  /** Settings for `sluice` commands: URLs of all databases and sinks, of Kafka and of the registry. */
  readonly environment: Readonly<Record<string, string>>
  /** Logs of the children and the settings file; it goes with the servers. */
  readonly folder: string
  close(): Promise<void>
}

/** @throws SluiceError SLU-7001 to SLU-7005 */
export async function openDemoPlace(
  environment: Readonly<Record<string, string | undefined>>,
  system: SystemDefinition,
  phase: Phase,
): Promise<DemoPlace> {
  const onProgress: OnServerProgress = (progress) => phase.update(describeProgress(progress))
  const servers = await startServers({
    ...testServerRequests(environment),
    extensions: Object.values(system.services).flatMap((service) => service.extensions ?? []),
    onProgress,
  })
  const databases: TestDatabase[] = []
  let clickhouse: Clickhouse | undefined
  const weaviates: LocalWeaviate[] = []
  const folder = path.join(servers.folder, 'demo')
  const close = async (): Promise<void> => {
    // Databases of servers that somebody gave stay behind otherwise.
    for (const database of databases) await database.drop()
    await clickhouse?.remove()
    for (const weaviate of weaviates) await weaviate.remove()
    await servers.stop()
  }
  try {
    await mkdir(folder, { mode: 0o700 })
    const make = async (serverUrl: string, label: string): Promise<string> => {
      const database = await createTestDatabase(serverUrl, `demo ${label}`)
      databases.push(database)
      return database.url
    }
    const urls: Record<string, string> = {
      [urlVariable('monolith')]: await make(servers.monolith.url, 'monolith'),
      [urlVariable('pipeline')]: await make(servers.pipeline.url, 'pipeline'),
      KAFKA_BROKERS: servers.kafka.url,
      SCHEMA_REGISTRY_URL: servers.registry.url,
      // A key of this demo alone, for systems with private columns.
      SLUICE_MASTER_KEY: `demo:${randomBytes(32).toString('base64')}`,
    }
    for (const service of Object.keys(system.services)) urls[urlVariable(service)] = await make(servers.services.url, service)
    for (const [service, { sinks = [] }] of Object.entries(system.services)) {
      const store = sinks[0]?.store
      if (store === 'clickhouse') {
        clickhouse ??= await startClickhouse(onProgress)
        urls[sinkVariable(service, store)] = `${clickhouse.url}/sluice_demo_${service}_${randomBytes(6).toString('hex')}`
      } else if (store === 'weaviate') {
        // Classes have the names of the definition, so no server is shared; nobody reads the vectors of a demo.
        const weaviate = await startWeaviate(onProgress)
        weaviates.push(weaviate)
        urls[sinkVariable(service, store)] = weaviate.url
        urls[embedderVariable(service, 'URL')] = DETERMINISTIC
      }
    }
    return { environment: urls, folder, close }
  } catch (error) {
    await close()
    throw error
  }
}
