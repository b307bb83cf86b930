/** The structure of the systems that come with Sluice, as `sluice doctor --production` looks at it: freshly migrated, nothing is to be mended. */
import { quoteIdentifier, silentLogger } from '@sluice/core'
import { type RunningServers, createTestDatabase, startServers } from '@sluice/infra'
import { createKafka } from '@sluice/kafka'
import { migrateServices } from '@sluice/migrate'
import { type PostgresTarget, postgresTarget, withConnection } from '@sluice/postgres'
import { type ServiceDefinition, type SystemDefinition, loadSystem } from '@sluice/system'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runProductionChecks } from '../src/index.ts'

const STRUCTURE = ['indexes', 'constraints', 'reference_indexes', 'migrations']

/** A server of its own: the systems make roles, and one of them needs vectors. */
let servers: RunningServers

beforeAll(async () => {
  servers = await startServers({ services: true, extensions: ['vector'] })
})
afterAll(() => servers.stop())

test.each([
  ['rmbrain', 9, []],
  ['llama_mapper', 3, []],
  ['nanopore', 5, []],
  ['medcontracthub', 5, []],
  // Entries of a chain are never removed, so that nothing asks for them by the entry before.
  ['acgs', 8, ['1 foreign key has no index: audit_logs_predecessor of public.audit_logs']],
] as const)(
  'of %s every index is whole, every constraint was checked, and each reference to rows that may go has an index: %d services',
  async (name, count, known) => {
    const system = await loadSystem('./system.ts', new URL(`../../../schemas/${name}/`, import.meta.url))
    const services = await migrated(system)
    expect(Object.keys(services)).toHaveLength(count)

    // The structure of a service is looked at alone; the other servers of a system are not here.
    const elsewhere = postgresTarget('elsewhere', servers.services.url)
    const checks = await runProductionChecks({
      system,
      targets: { monolith: elsewhere, pipeline: elsewhere, services },
      kafka: createKafka({
        brokers: [process.env['SLUICE_TEST_KAFKA_BROKERS']!],
        clientId: 'systems-test',
        logger: silentLogger,
      }),
      transports: {
        kafka: { brokers: ['127.0.0.1:9092'], isEncrypted: false, isAuthenticated: false },
        registry: { url: 'http://127.0.0.1:8081' },
      },
      backupPlan: null,
      now: new Date(),
    })
    const names = Object.keys(services).flatMap((service) => STRUCTURE.map((what) => `service.${service}.${what}`))
    const found = checks.filter((check) => names.includes(check.name))
    expect(found.map((check) => check.name).toSorted()).toEqual(names.toSorted())
    expect(found.filter(({ status }) => status !== 'ok').map(({ summary }) => summary)).toEqual(known)
  },
)

/** A database for each service, with its tables. */
async function migrated(system: SystemDefinition): Promise<Readonly<Record<string, PostgresTarget>>> {
  const services = await Promise.all(
    Object.entries(system.services).map(async ([service, definition]) => {
      const { url } = await createTestDatabase(servers.services.url, `${system.name} ${service}`)
      return { service, definition, target: postgresTarget(service, url) }
    }),
  )
  for (const { definition, target } of services) {
    await withConnection(target, { applicationName: 'systems test' }, (client) => client.query(neededBy(definition).join(';')))
  }
  await migrateServices({ services, isDryRun: false, signal: new AbortController().signal })
  return Object.fromEntries(services.map(({ service, target }) => [service, target]))
}

/** What provision makes before the migrations. */
function neededBy({ roles, extensions = [] }: ServiceDefinition): readonly string[] {
  const names = roles ? [roles.projector, roles.verifier, ...(roles.others ?? [])] : []
  return [
    ...names.map((role) => `CREATE ROLE ${quoteIdentifier(role)} NOLOGIN`),
    ...extensions.map((extension) => `CREATE EXTENSION ${quoteIdentifier(extension)}`),
  ]
}
