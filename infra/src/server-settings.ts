/**
 * Versions, settings and documented ports of the servers that Sluice starts, in one place: local processes, containers
 * and docker-compose.yml say the same, and a unit test compares the compose file with this module.
 */

export const POSTGRES_SERVER_NAMES = ['monolith', 'pipeline', 'services'] as const

/** The monolith, the pipeline database, and one server that holds every service database. */
export type PostgresServerName = (typeof POSTGRES_SERVER_NAMES)[number]

export const SERVER_NAMES = [...POSTGRES_SERVER_NAMES, 'kafka', 'registry'] as const

export type ServerName = (typeof SERVER_NAMES)[number]

/** Versions of PostgreSQL that Sluice is tested on. */
export const POSTGRES_MAJORS = ['15', '16', '17', '18'] as const

export type PostgresMajor = (typeof POSTGRES_MAJORS)[number]

export const VERSIONS = {
  postgres: '17',
  kafka: '4.1.0',
  registry: '2.6.13.Final',
} as const

/** Container images, for docker-compose.yml and testcontainers. */
export const IMAGES = {
  postgres: `postgres:${VERSIONS.postgres}`,
  kafka: `apache/kafka:${VERSIONS.kafka}`,
  registry: `apicurio/apicurio-registry-mem:${VERSIONS.registry}`,
} as const

/** Ports on the host in docker-compose.yml. Local processes take free ones. */
export const COMPOSE_PORTS: Readonly<Record<ServerName, number>> = {
  monolith: 5433,
  pipeline: 5434,
  services: 5435,
  kafka: 9092,
  registry: 8081,
}

/**
 * PostgreSQL settings that Sluice and its tests rely on. `fsync` stays on: durability is what is tested.
 * https://www.postgresql.org/docs/17/runtime-config.html
 */
export const POSTGRES_SETTINGS: Readonly<Record<string, string>> = {
  wal_level: 'logical',
  track_commit_timestamp: 'on',
  max_wal_senders: '40',
  max_replication_slots: '40',
  max_connections: '200',
  shared_buffers: '128MB',
  fsync: 'on',
  synchronous_commit: 'on',
  timezone: 'UTC',
  log_timezone: 'UTC',
}

/**
 * Arguments of initdb that decide how text sorts. ICU's root collation differs from byte order as production
 * databases do, and is the same on every platform.
 */
export const INITDB_LOCALE = ['--encoding=UTF8', '--locale=C', '--locale-provider=icu', '--icu-locale=en-US'] as const

/** The same of a build without ICU: text sorts by its bytes. */
export const INITDB_LOCALE_WITHOUT_ICU = ['--encoding=UTF8', '--locale=C'] as const

/**
 * Kafka settings apart from listeners and folders. One node: internal topics have one replica, and few partitions so
 * that a start is fast. https://kafka.apache.org/41/configuration/broker-configs/
 */
export const KAFKA_SETTINGS: Readonly<Record<string, string>> = {
  'process.roles': 'broker,controller',
  'node.id': '1',
  'auto.create.topics.enable': 'false',
  'offsets.topic.replication.factor': '1',
  'offsets.topic.num.partitions': '1',
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
  'transaction.state.log.num.partitions': '1',
  'share.coordinator.state.topic.replication.factor': '1',
  'share.coordinator.state.topic.min.isr': '1',
  'share.coordinator.state.topic.num.partitions': '1',
  'group.initial.rebalance.delay.ms': '0',
  'group.min.session.timeout.ms': '1000',
}

/**
 * For a broker that is killed on purpose: it may come back when its old session has expired, after 9 s if nothing is said. A machine
 * that is busy for 2 s ends the session too, and with it the leadership of every partition, so this is for nothing else.
 */
export const KAFKA_SETTINGS_FOR_KILLS: Readonly<Record<string, string>> = {
  'broker.session.timeout.ms': '2000',
  'broker.heartbeat.interval.ms': '500',
}

export const KAFKA_HEAP_MIB = 512
export const REGISTRY_HEAP_MIB = 256

/**
 * Flags of the JVMs of local processes, which live for minutes: the optimising compiler would take more processor time than it saves in
 * them, and several threads that collect garbage are of no use to small heaps.
 */
export const SHORT_LIVED_JVM_FLAGS = ['-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'] as const

/** Path of the registry's Confluent-compatible API. */
export const REGISTRY_API_PATH = '/apis/ccompat/v7'

/** Ports inside the containers. */
export const CONTAINER_PORTS = { postgres: 5432, kafka: 9092, kafkaController: 9093, registry: 8080 } as const

/** Command of a PostgreSQL container: the image's entry point hands settings on to the server. */
export function postgresCommand(overrides: Readonly<Record<string, string>> = {}): string[] {
  return [
    'postgres',
    ...Object.entries({ ...POSTGRES_SETTINGS, ...overrides }).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ]
}

export function postgresEnvironment(password: string): Record<string, string> {
  return { POSTGRES_PASSWORD: password, POSTGRES_INITDB_ARGS: INITDB_LOCALE.join(' ') }
}

/**
 * Environment of a Kafka container: the image turns `KAFKA_A_B` into the setting `a.b`.
 *
 * @param advertised `host:port` under which clients reach the broker
 */
export function kafkaEnvironment(advertised: string, overrides: Readonly<Record<string, string>> = {}): Record<string, string> {
  const { kafka, kafkaController } = CONTAINER_PORTS
  const settings = {
    ...KAFKA_SETTINGS,
    listeners: `PLAINTEXT://:${kafka},CONTROLLER://:${kafkaController}`,
    'advertised.listeners': `PLAINTEXT://${advertised}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'controller.listener.names': 'CONTROLLER',
    'controller.quorum.voters': `${KAFKA_SETTINGS['node.id']!}@localhost:${kafkaController}`,
    ...overrides,
  }
  const variables: Record<string, string> = {}
  for (const [name, value] of Object.entries(settings)) variables[`KAFKA_${name.replaceAll('.', '_').toUpperCase()}`] = value
  return { ...variables, KAFKA_HEAP_OPTS: `-Xmx${KAFKA_HEAP_MIB}m` }
}

export function registryEnvironment(): Record<string, string> {
  return { JAVA_OPTIONS: `-Xmx${REGISTRY_HEAP_MIB}m` }
}
