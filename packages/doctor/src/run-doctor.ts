/**
 * The preflight: every server is asked at once, each apart from the others and bounded in time, and nothing is changed. The
 * result has one check for each thing that was looked at, in the order monolith, pipeline, services, sinks, Kafka, registry.
 */
import type { SchemaRegistry } from '@sluice/avro'
import type { HealthCheck } from '@sluice/core'
import type { KafkaPort } from '@sluice/kafka'
import type { PostgresTarget } from '@sluice/postgres'
import type { OpenSinks } from '@sluice/sink'
import { type LaneDefinition, type SystemDefinition, lanesOf } from '@sluice/system'
import { checkConnections } from './connection-check.ts'
import { guarded } from './finding.ts'
import { checkKafka } from './kafka-checks.ts'
import { checkRegistry } from './registry-checks.ts'
import { checkServer, checkStoreMigrated } from './pipeline-checks.ts'
import { checkExtensions } from './extension-check.ts'
import { checkRows, checkServiceRows } from './row-security-check.ts'
import { checkCommitTimestamps, checkServiceTables } from './service-checks.ts'
import { checkSink } from './sink-checks.ts'
import { checkSourceServer, commitTimestampCheck } from './source-server.ts'
import { checkOpenTransactions, checkOutbox, checkPublication, checkSlot } from './source-state.ts'
import { checkTables } from './source-tables.ts'
import { type CheckedDatabase, type DatabaseCheck, checkDatabase } from './with-client.ts'

export interface DoctorTargets {
  readonly monolith: PostgresTarget
  readonly pipeline: PostgresTarget
  readonly services: Readonly<Record<string, PostgresTarget>>
}

export interface DoctorOptions {
  readonly system: SystemDefinition
  readonly targets: DoctorTargets
  readonly kafka: KafkaPort
  readonly registry: SchemaRegistry
  /** Ways to the sinks of services; one that has none here is told as not looked at. @default none */
  readonly openSinks?: OpenSinks
  /** Longest time for one server, in milliseconds. @default 20000 */
  readonly serverTimeoutMs?: number
  /** Longest time for one statement, in milliseconds. @default 5000 */
  readonly statementTimeoutMs?: number
  /** Called for each server as its checks come in. */
  readonly onChecks?: (checks: readonly HealthCheck[]) => void
}

export async function runDoctor(options: DoctorOptions): Promise<readonly HealthCheck[]> {
  const { system, targets, kafka } = options
  const lanes = lanesOf(system)
  const results = await Promise.all([
    serverChecks(options, 'monolith', () =>
      monolithChecks(
        options,
        lanes.find((l) => l.source === 'monolith')!,
      ),
    ),
    serverChecks(options, 'pipeline', () => pipelineChecks(options)),
    ...Object.entries(targets.services).map(([service, target]) => {
      const lane = lanes.find((l) => l.source !== 'monolith' && l.source.service === service)
      return serverChecks(options, `service.${service}`, () => serviceChecks(options, service, target, lane))
    }),
    ...Object.entries(system.services).flatMap(([service, { sinks }]) => {
      const [first] = sinks ?? []
      if (first === undefined) return []
      const open = options.openSinks?.[service] ?? null
      return [serverChecks(options, `service.${service}.${first.store}`, () => checkSink(system, service, open))]
    }),
    serverChecks(options, 'kafka', () => checkKafka(kafka, system)),
    serverChecks(options, 'registry', () => checkRegistry(options.registry, system)),
  ])
  return results.flat()
}

async function serverChecks(
  options: DoctorOptions,
  prefix: string,
  work: () => Promise<readonly HealthCheck[]>,
): Promise<readonly HealthCheck[]> {
  const checks = await guarded(`${prefix}.connection`, options.serverTimeoutMs ?? 20_000, work)
  options.onChecks?.(checks)
  return checks
}

function monolithChecks(options: DoctorOptions, lane: LaneDefinition): Promise<readonly HealthCheck[]> {
  const { system, targets } = options
  return checkDatabase(placeOf('monolith', targets.monolith, options), [
    ...sourceChecks('monolith', lane),
    ['tables', (client) => checkTables('monolith', client, system, lane.tables)],
    ['row_security', (client) => checkRows('monolith.row_security', client, lane.tables, ['SELECT'])],
  ])
}

function sourceChecks(prefix: string, lane: LaneDefinition): readonly (readonly [string, DatabaseCheck])[] {
  return [
    ['server', (client) => checkSourceServer(prefix, client, lane)],
    ['slot', (client) => checkSlot(prefix, client, lane)],
    ['publication', (client) => checkPublication(prefix, client, lane)],
    ['open_transactions', (client) => checkOpenTransactions(prefix, client)],
    ['outbox', (client) => checkOutbox(prefix, client, lane)],
  ]
}

async function pipelineChecks(options: DoctorOptions): Promise<readonly HealthCheck[]> {
  const { pipeline } = options.targets
  const checks = await checkDatabase(placeOf('pipeline', pipeline, options), [
    ['server', (client) => checkServer('pipeline', client)],
  ])
  return [...checks, await checkStoreMigrated(pipeline)]
}

function serviceChecks(
  options: DoctorOptions,
  service: string,
  target: PostgresTarget,
  lane: LaneDefinition | undefined,
): Promise<readonly HealthCheck[]> {
  const prefix = `service.${service}`
  const own: readonly (readonly [string, DatabaseCheck])[] = lane
    ? sourceChecks(prefix, lane)
    : [
        ['server', (client) => checkServer(prefix, client)],
        ['track_commit_timestamp', async (client) => [commitTimestampCheck(prefix, await checkCommitTimestamps(client))]],
      ]
  return checkDatabase({ ...placeOf(prefix, target, options), mayBePooled: lane === undefined }, [
    ...own,
    ['tables', (client) => checkServiceTables(prefix, client, options.system, service)],
    ['connections', (client) => checkConnections(prefix, client, options.system, service)],
    ['extensions', (client) => checkExtensions(prefix, client, options.system, service)],
    ['row_security', (client) => checkServiceRows(prefix, client, options.system, service)],
  ])
}

function placeOf(prefix: string, target: PostgresTarget, options: DoctorOptions): CheckedDatabase {
  return { prefix, target, statementTimeoutMs: options.statementTimeoutMs ?? 5_000, mayBePooled: false }
}
