/** The two services whose plan gives them two read replicas: a primary with both databases, and two standbys of it. */
import { ServiceDatabases, settingsFromEnvironment } from '@sluice/database-manager'
import { type PostgresReplica, type RunningServers, databaseUrl, startPostgresReplica, startServers } from '@sluice/infra'
import { migrateServices } from '@sluice/migrate'
import { connect, postgresTarget } from '@sluice/postgres'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { databases } from '../databases.ts'
import system from '../system.ts'

const SERVICES = ['integrity_service', 'policy_governance'] as const

let servers: RunningServers
const replicas: PostgresReplica[] = []
let manager: ServiceDatabases<(typeof SERVICES)[number]>

beforeAll(async () => {
  servers = await startServers({ services: true, useContainers: false })
  const { url } = servers.services
  const admin = await connect(postgresTarget('services', url), { applicationName: 'acgs test' })
  for (const service of SERVICES) {
    await admin.query(`CREATE DATABASE ${databases[service]}`)
    const { projector, verifier, others = [] } = system.services[service].roles ?? {}
    for (const role of [projector, verifier, ...others]) await admin.query(`CREATE ROLE ${role}`)
  }
  await admin.end()
  const migrated = await migrateServices({
    services: SERVICES.map((service) => ({
      service,
      target: postgresTarget(service, databaseUrl(url, databases[service])),
      definition: system.services[service],
    })),
    isDryRun: false,
    signal: new AbortController().signal,
  })
  expect(migrated).toMatchObject([{ outcome: 'migrated' }, { outcome: 'migrated' }])
  // One after the other: each has a slot of its own, by the time of its making.
  for (let i = 0; i < 2; i++) replicas.push(await startPostgresReplica(servers.services))
  const environment = Object.fromEntries(
    SERVICES.flatMap((service) => [
      [`SLUICE_${service.toUpperCase()}_URL`, databaseUrl(url, databases[service])],
      [
        `SLUICE_${service.toUpperCase()}_REPLICA_URL`,
        replicas.map((replica) => databaseUrl(replica.url, databases[service])).join(' '),
      ],
    ]),
  )
  manager = await ServiceDatabases.open({
    applicationName: 'acgs test',
    services: settingsFromEnvironment(environment, { integrity_service: {}, policy_governance: {} }),
  })
})
afterAll(async () => {
  await manager.close()
  for (const replica of replicas) await replica.remove()
  await servers.stop()
})

test.each([
  ['integrity_service', 'hash_chains'],
  ['policy_governance', 'policies'],
] as const)('%s reads from its two replicas, and never writes there', async (service, table) => {
  const database = manager.get(service)
  const portRead = (): Promise<string> =>
    database.read(async (t) => {
      const { rows } = await t.query<{ port: string }>(
        `SELECT current_setting('port') AS port, (SELECT count(*) FROM ${table}) AS rows`,
      )
      return rows[0]!.port
    })
  const portsRead = async (): Promise<readonly string[]> => [...new Set([await portRead(), await portRead()])].toSorted()
  const ports = replicas.map(({ url }) => new URL(url).port).toSorted()
  await expect.poll(portsRead, { timeout: 30_000 }).toEqual(ports)
  for (const name of ['first', 'second']) {
    await expect(
      database.read((t) => t.query(`DELETE FROM ${table}`)),
      name,
    ).rejects.toMatchObject({ code: 'WRITE_IN_READ' })
  }
  const { rows } = await database.query<{ port: string }>(`SELECT current_setting('port') AS port`)
  expect(rows).toEqual([{ port: new URL(servers.services.url).port }])
})
