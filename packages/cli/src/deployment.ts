/**
 * Where a system's servers are, read from the environment: the only place that does. Secrets come from variables or from
 * files (`…_FILE`), never from flags, and are never printed.
 *
 *   SLUICE_MONOLITH_URL  SLUICE_PIPELINE_URL  SLUICE_<SERVICE>_URL  KAFKA_BROKERS  SCHEMA_REGISTRY_URL
 *   KAFKA_SSL  KAFKA_SSL_CA_FILE  KAFKA_SASL_MECHANISM  KAFKA_SASL_USERNAME  KAFKA_SASL_PASSWORD
 *   SCHEMA_REGISTRY_USERNAME  SCHEMA_REGISTRY_PASSWORD
 *   SLUICE_STREAM_TRANSACTIONS  SLUICE_SPOOL_FOLDER  SLUICE_SPOOL_BYTES_MAX  SLUICE_LOAD_READERS
 *   SLUICE_MASTER_KEY  SLUICE_KEYS_URL (the pipeline database, as a role that reads keys only)
 *   SLUICE_CLAIMS_URL (the same, as a role that reads claimed values only)  SLUICE_MESSAGE_BYTES_MAX  SLUICE_RELAY_PARKED_MAX
 *   SLUICE_BACKUP_KEY
 */
import { readFileSync } from 'node:fs'
import { SluiceError } from '@sluice/core'
import { type PostgresTarget, postgresTarget } from '@sluice/postgres'
import { type KeyAccess, type MasterKeys, parseMasterKeys } from '@sluice/privacy'
import type { SystemDefinition } from '@sluice/system'
import { z } from 'zod'

export type Environment = Readonly<Record<string, string | undefined>>

export interface KafkaSettings {
  readonly brokers: readonly string[]
  readonly ssl: { readonly ca?: string } | null
  readonly sasl: { readonly mechanism: SaslMechanism; readonly username: string; readonly password: string } | null
}

export interface RegistrySettings {
  readonly url: string
  readonly auth: { readonly username: string; readonly password: string } | null
}

/** What a reader does with transactions in progress, and how many sessions an initial load reads with. */
export interface ReaderSettings {
  readonly streamsTransactions: boolean
  readonly spoolFolder?: string
  readonly spoolBytesMax?: number
  readonly loadReaders?: number
}

/** What a relay keeps to. */
export interface RelaySettings {
  readonly messageBytesMax?: number
  readonly parkedMax?: number
}

/** Which servers a command needs; the rest stays unread, so that a process gets only the secrets of its role. */
export interface DeploymentNeeds {
  readonly monolith?: boolean
  readonly pipeline?: boolean
  readonly services?: readonly string[]
  readonly kafka?: boolean
  readonly registry?: boolean
  readonly reader?: boolean
  /** Keys of private columns, where they are set: who needs them says so. */
  readonly masterKeys?: boolean
  readonly keys?: boolean
  /** Where claimed values are read, if that is set. */
  readonly claims?: boolean
  readonly relay?: boolean
}

const SASL_MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const
type SaslMechanism = (typeof SASL_MECHANISMS)[number]

const EXAMPLE_DATABASE = 'postgresql://user:password@host:5432/database'

const settings = {
  KAFKA_BROKERS: z
    .string()
    .transform((text) => text.split(',').map((b) => b.trim()))
    .refine(
      (brokers) => brokers.every((b) => /^[^\s:,]+:\d{1,5}$|^\[[0-9a-f:]+\]:\d{1,5}$/i.test(b)),
      'must be host:port[,host:port…]',
    ),
  KAFKA_SSL: z.enum(['true', 'false'], 'must be true or false').default('false'),
  KAFKA_SSL_CA_FILE: z.string().optional(),
  KAFKA_SASL_MECHANISM: z.enum(SASL_MECHANISMS, `must be one of ${SASL_MECHANISMS.join(', ')}`).optional(),
  KAFKA_SASL_USERNAME: z.string().optional(),
  KAFKA_SASL_PASSWORD: z.string().optional(),
  SCHEMA_REGISTRY_URL: z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }),
  SCHEMA_REGISTRY_USERNAME: z.string().optional(),
  SCHEMA_REGISTRY_PASSWORD: z.string().optional(),
  SLUICE_STREAM_TRANSACTIONS: z.enum(['true', 'false'], 'must be true or false').default('true'),
  SLUICE_SPOOL_FOLDER: z.string().startsWith('/', 'must be an absolute path').optional(),
  SLUICE_SPOOL_BYTES_MAX: z.coerce.number('must be a number of bytes').int().positive().optional(),
  SLUICE_MESSAGE_BYTES_MAX: z.coerce.number('must be a number of bytes').int().positive().optional(),
  SLUICE_RELAY_PARKED_MAX: z.coerce.number('must be a number of events').int().min(1).max(1_000_000).optional(),
  SLUICE_LOAD_READERS: z.coerce.number('must be a number of sessions').int().min(1).max(16).optional(),
} as const

type SettingName = keyof typeof settings

const EXAMPLES: Readonly<Partial<Record<SettingName, string>>> = {
  KAFKA_BROKERS: 'host:9092',
  SCHEMA_REGISTRY_URL: 'http://host:8081',
  KAFKA_SASL_USERNAME: 'user',
  KAFKA_SASL_PASSWORD: 'secret',
}

/** Name of the variable that holds a database's URL: `SLUICE_ORDER_ENTRY_URL` for service `order_entry`. */
export function urlVariable(target: string): string {
  return `SLUICE_${target.toUpperCase().replaceAll('-', '_')}_URL`
}

export interface Deployment {
  readonly monolith: PostgresTarget
  readonly pipeline: PostgresTarget
  readonly services: Readonly<Record<string, PostgresTarget>>
  readonly kafka: KafkaSettings
  readonly registry: RegistrySettings
  readonly reader: ReaderSettings
  readonly masterKeys: MasterKeys | null
  readonly keys: KeyAccess | null
  readonly claims: PostgresTarget | null
  readonly relay: RelaySettings
}

/** What was asked for; asking for something that was not is a mistake in the command. */
export type PartialDeployment = Partial<Omit<Deployment, 'services'>> & Pick<Deployment, 'services'>

/**
 * Reads what a command needs.
 *
 * @throws SluiceError SLU-1002 with every variable that is missing, SLU-1003 with every one that can't be used.
 */
export function readDeployment<const Needs extends DeploymentNeeds>(
  environment: Environment,
  system: SystemDefinition,
  needs: Needs,
): PartialDeployment & { readonly [K in keyof Needs & keyof Deployment]: Deployment[K] } {
  const reader = new SettingReader(environment)
  const deployment: { -readonly [K in keyof PartialDeployment]: PartialDeployment[K] } = { services: {} }
  if (needs.monolith) deployment.monolith = reader.database('monolith')
  if (needs.pipeline) deployment.pipeline = reader.database('pipeline')
  deployment.services = Object.fromEntries(
    (needs.services ?? []).map((service) => [requireService(system, service), reader.database(service)]),
  )
  if (needs.kafka) deployment.kafka = kafkaSettings(reader)
  if (needs.registry) deployment.registry = registrySettings(reader)
  if (needs.reader) deployment.reader = readerSettings(reader)
  if (needs.masterKeys) deployment.masterKeys = reader.masterKeys('SLUICE_MASTER_KEY')
  if (needs.keys) deployment.keys = reader.keyAccess()
  if (needs.claims) deployment.claims = reader.claims()
  if (needs.relay) deployment.relay = relaySettings(reader)
  reader.assertComplete()
  // Every field that was needed is set: assertComplete throws otherwise.
  return deployment as PartialDeployment & { readonly [K in keyof Needs & keyof Deployment]: Deployment[K] }
}

/** A database that is no part of the system, by the name in its variable. @throws SluiceError SLU-1002, SLU-1003 */
export function readDatabase(environment: Environment, name: string): PostgresTarget {
  const reader = new SettingReader(environment)
  const target = reader.database(name)
  reader.assertComplete()
  return target
}

/** Keys that backups are encrypted with; null if they are not set. @throws SluiceError SLU-1003 */
export function readBackupKeys(environment: Environment): MasterKeys | null {
  const reader = new SettingReader(environment)
  const keys = reader.masterKeys('SLUICE_BACKUP_KEY')
  reader.assertComplete()
  return keys
}

/** A setting that is set, and the file that it stands in, if it does. Null if it is not set. */
export function findSetting(
  environment: Environment,
  name: string,
): { readonly text: string; readonly file: string | null } | null {
  const direct = environment[name]
  if (direct !== undefined && direct !== '') return { text: direct, file: null }
  const file = environment[`${name}_FILE`]
  return file === undefined || file === '' ? null : { text: readFileSync(file, 'utf8').trim(), file }
}

/** @throws SluiceError SLU-5002 if the system has no such service. */
export function requireService(system: SystemDefinition, service: string): string {
  if (Object.hasOwn(system.services, service)) return service
  throw new SluiceError('SERVICE_UNKNOWN', {
    what: `system "${system.name}" has no service "${service}"`,
    why: `its services are ${Object.keys(system.services).join(', ')}`,
    ways: ['sluice status    shows every service'],
  })
}

function kafkaSettings(reader: SettingReader): KafkaSettings {
  const brokers = reader.setting('KAFKA_BROKERS', true) ?? []
  const mechanism = reader.setting('KAFKA_SASL_MECHANISM', false)
  const caFile = reader.setting('KAFKA_SSL_CA_FILE', false)
  const isSsl = reader.setting('KAFKA_SSL', false) === 'true' || caFile !== undefined
  const ca = caFile === undefined ? undefined : reader.file('KAFKA_SSL_CA_FILE', caFile)
  return {
    brokers,
    ssl: isSsl ? (ca === undefined ? {} : { ca }) : null,
    sasl:
      mechanism === undefined
        ? null
        : {
            mechanism,
            username: reader.setting('KAFKA_SASL_USERNAME', true) ?? '',
            password: reader.setting('KAFKA_SASL_PASSWORD', true) ?? '',
          },
  }
}

function readerSettings(reader: SettingReader): ReaderSettings {
  const spoolFolder = reader.setting('SLUICE_SPOOL_FOLDER', false)
  const spoolBytesMax = reader.setting('SLUICE_SPOOL_BYTES_MAX', false)
  const loadReaders = reader.setting('SLUICE_LOAD_READERS', false)
  return {
    streamsTransactions: reader.setting('SLUICE_STREAM_TRANSACTIONS', false) !== 'false',
    ...(spoolFolder === undefined ? {} : { spoolFolder }),
    ...(spoolBytesMax === undefined ? {} : { spoolBytesMax }),
    ...(loadReaders === undefined ? {} : { loadReaders }),
  }
}

function relaySettings(reader: SettingReader): RelaySettings {
  const messageBytesMax = reader.setting('SLUICE_MESSAGE_BYTES_MAX', false)
  const parkedMax = reader.setting('SLUICE_RELAY_PARKED_MAX', false)
  return {
    ...(messageBytesMax === undefined ? {} : { messageBytesMax }),
    ...(parkedMax === undefined ? {} : { parkedMax }),
  }
}

function registrySettings(reader: SettingReader): RegistrySettings {
  const username = reader.setting('SCHEMA_REGISTRY_USERNAME', false)
  return {
    url: reader.setting('SCHEMA_REGISTRY_URL', true) ?? '',
    auth: username === undefined ? null : { username, password: reader.setting('SCHEMA_REGISTRY_PASSWORD', false) ?? '' },
  }
}

/** Reads variables and collects what is wrong with them, so that all of it is told at once. */
class SettingReader {
  readonly #environment: Environment
  readonly #missing: { readonly name: string; readonly example: string }[] = []
  readonly #invalid: SluiceError[] = []

  constructor(environment: Environment) {
    this.#environment = environment
  }

  database(target: string): PostgresTarget {
    const name = urlVariable(target)
    const url = this.#text(name)
    if (url === undefined) this.#missing.push({ name, example: EXAMPLE_DATABASE })
    if (typeof url === 'string') {
      try {
        return postgresTarget(target, url)
      } catch (error) {
        if (!(error instanceof SluiceError)) throw error
        this.#invalid.push(error)
      }
    }
    return { name: target, config: {}, database: '', display: '' }
  }

  /** Null if they are not set. */
  masterKeys(name: 'SLUICE_MASTER_KEY' | 'SLUICE_BACKUP_KEY'): MasterKeys | null {
    const text = this.#text(name)
    if (typeof text !== 'string') return null
    try {
      return parseMasterKeys(text, name)
    } catch (error) {
      if (!(error instanceof SluiceError)) throw error
      this.#invalid.push(error)
      return null
    }
  }

  /** Null if no master key is set: then there is nothing to open keys with. */
  keyAccess(): KeyAccess | null {
    const master = this.masterKeys('SLUICE_MASTER_KEY')
    if (!master) return null
    return { master, target: this.database(this.#text('SLUICE_KEYS_URL') === undefined ? 'pipeline' : 'keys') }
  }

  /** Null if neither is set: nearly no event claims a value, and one that does says what is missing. */
  claims(): PostgresTarget | null {
    const name = ['claims', 'pipeline'].find((target) => this.#text(urlVariable(target)) !== undefined)
    return name === undefined ? null : this.database(name)
  }

  setting<Name extends SettingName>(name: Name, isRequired: boolean): z.output<(typeof settings)[Name]> | undefined {
    const text = this.#text(name)
    if (text === undefined && isRequired) this.#missing.push({ name, example: EXAMPLES[name] ?? 'value' })
    if (typeof text !== 'string') return undefined
    const parsed = settings[name].safeParse(text)
    if (parsed.success) return parsed.data as z.output<(typeof settings)[Name]>
    this.#reject(name, parsed.error.issues[0]?.message ?? 'can not be used', EXAMPLES[name] ?? 'value')
    return undefined
  }

  file(name: string, path: string): string | undefined {
    try {
      return readFileSync(path, 'utf8').trim()
    } catch (error) {
      this.#reject(name, error instanceof Error ? error.message : String(error), '/path/to/file')
      return undefined
    }
  }

  assertComplete(): void {
    if (this.#missing.length > 0) {
      throw new SluiceError('CONFIG_MISSING', {
        what: this.#missing.length === 1 ? 'a setting is missing' : `${this.#missing.length} settings are missing`,
        why: `the environment has no ${this.#missing.map((m) => m.name).join(', ')} (nor the same with _FILE)`,
        ways: [
          this.#missing.map((m) => `export ${m.name}='${m.example}'`).join('\n'),
          'eval "$(sluice dev env)"    for the servers of sluice dev up',
          ...this.#invalid.map((e) => `${e.ways[0] ?? ''}    ${e.what}: ${e.why}`),
        ],
      })
    }
    const [first, ...rest] = this.#invalid
    if (first === undefined) return
    if (rest.length === 0) throw first
    throw new SluiceError('CONFIG_INVALID', {
      what: `${this.#invalid.length} settings can not be used`,
      why: this.#invalid.map((e) => `${e.what}: ${e.why}`).join('\n'),
      ways: [this.#invalid.map((e) => e.ways[0]).join('\n')],
    })
  }

  /** undefined if it is not set, null if its file can't be read, which is then told. */
  #text(name: string): string | undefined | null {
    const direct = this.#environment[name]
    if (direct !== undefined && direct !== '') return direct
    const path = this.#environment[`${name}_FILE`]
    if (path === undefined || path === '' || name.endsWith('_FILE')) return undefined
    return this.file(`${name}_FILE`, path) ?? null
  }

  #reject(name: string, why: string, example: string): void {
    this.#invalid.push(
      new SluiceError('CONFIG_INVALID', { what: `${name} can not be used`, why, ways: [`export ${name}='${example}'`] }),
    )
  }
}
