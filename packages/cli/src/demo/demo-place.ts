/**
 * Where a demo runs: servers of its own (or those of SLUICE_TEST_…), in databases that it makes and marks. It reads no other
 * URL, so that it can never write to a database that somebody needs.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type ServerRequest, type TestDatabase, createTestDatabase, describeProgress, startServers } from '@sluice/infra'
import { urlVariable } from '../deployment.ts'
import type { Phase } from '../progress.ts'

export interface DemoPlace {
  /** Settings for `sluice` commands: URLs of all databases, of Kafka and of the registry. */
  readonly environment: Readonly<Record<string, string>>
  /** Logs of the children. */
  readonly folder: string
  close(): Promise<void>
}

const VARIABLES = {
  monolith: 'SLUICE_TEST_MONOLITH_URL',
  pipeline: 'SLUICE_TEST_PIPELINE_URL',
  services: 'SLUICE_TEST_SERVICES_URL',
  kafka: 'SLUICE_TEST_KAFKA_BROKERS',
  registry: 'SLUICE_TEST_REGISTRY_URL',
} as const

/** @throws SluiceError SLU-7001 to SLU-7005 */
export async function openDemoPlace(
  environment: Readonly<Record<string, string | undefined>>,
  services: readonly string[],
  phase: Phase,
): Promise<DemoPlace> {
  const request = (name: keyof typeof VARIABLES): ServerRequest => {
    const url = environment[VARIABLES[name]]
    return url === undefined || url === '' ? true : { url }
  }
  const servers = await startServers({
    monolith: request('monolith'),
    pipeline: request('pipeline'),
    services: request('services'),
    kafka: request('kafka'),
    registry: request('registry'),
    onProgress: (progress) => phase.update(describeProgress(progress)),
  })
  const databases: TestDatabase[] = []
  const folder = await mkdtemp(path.join(tmpdir(), 'sluice-demo-'))
  const close = async (): Promise<void> => {
    // Databases of servers that somebody gave stay behind otherwise.
    for (const database of databases) await database.drop()
    await servers.stop()
    await rm(folder, { recursive: true, force: true })
  }
  try {
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
    }
    for (const service of services) urls[urlVariable(service)] = await make(servers.services.url, service)
    return { environment: urls, folder, close }
  } catch (error) {
    await close()
    throw error
  }
}
