/**
 * `sluice env <service>`: what a service needs once it works on its own database, and what a pgbouncer in front of that needs. A value
 * with a password in it is not printed: the line refers to the variable, or the file, in which it stands here.
 */
import { SluiceError, shellQuoted } from '@sluice/core'
import type { PostgresTarget } from '@sluice/postgres'
import { type SystemDefinition, pgbouncerIni, subscriptionsOf } from '@sluice/system'
import { z } from 'zod'
import type { CommandImplementation, CommandOutcome } from '../command.ts'
import { type Environment, findSetting, readDeployment, requireService, urlVariable } from '../deployment.ts'

const Options = z.object({
  scheme: z.string().regex(/^[a-z][a-z0-9+.-]*$/, 'must be a scheme such as postgresql+asyncpg'),
  showSecrets: z.boolean(),
  pgbouncer: z.boolean(),
})

/** A line of the service's environment. */
interface ServiceSetting {
  readonly name: string
  /** Null where it holds a password and those are not shown. */
  readonly value: string | null
  /** The variable, or the file, that has it here; null where it follows from the definition. */
  readonly from: string | null
  /** As a shell takes it. */
  readonly shell: string
}

const SECRETS: ReadonlySet<string> = new Set(['KAFKA_SASL_PASSWORD', 'SCHEMA_REGISTRY_PASSWORD'])

const SERVERS = [
  'KAFKA_BROKERS',
  'KAFKA_SSL',
  'KAFKA_SSL_CA_FILE',
  'KAFKA_SASL_MECHANISM',
  'KAFKA_SASL_USERNAME',
  'KAFKA_SASL_PASSWORD',
  'SCHEMA_REGISTRY_URL',
  'SCHEMA_REGISTRY_USERNAME',
  'SCHEMA_REGISTRY_PASSWORD',
] as const

export const env: CommandImplementation = async ({ environment, system: load }, { args, options }) => {
  const { scheme, showSecrets, pgbouncer } = Options.parse(options)
  const system = await load()
  const service = requireService(system, args[0] ?? '')
  if (pgbouncer)
    return poolerFile(system, service, readDeployment(environment, system, { services: [service] }).services[service]!)
  // What can not be used is refused before any of it is handed on.
  const { services } = readDeployment(environment, system, { services: [service], kafka: true, registry: true })
  const from = urlVariable(service)
  const hasPassword = services[service]?.config.password !== undefined
  const url = setting(environment, { name: 'DATABASE_URL', from, isSecret: hasPassword, showSecrets, scheme })
  const settings = [
    ...(url ? [url] : []),
    ...SERVERS.flatMap((name) => {
      const isSecret =
        SECRETS.has(name) || (name === 'SCHEMA_REGISTRY_URL' && holdsPassword(findSetting(environment, name)?.text))
      return setting(environment, { name, from: name, isSecret, showSecrets, scheme: null }) ?? []
    }),
    ...topicSettings(system, service),
  ]
  return {
    summary: '',
    result: { service, settings: settings.map(({ name, value, from: origin }) => ({ name, value, from: origin })) },
    text: settings.map(({ name, shell }) => `export ${name}=${shell}`).join('\n'),
  }
}

/** @throws SluiceError SLU-1003 if the definition plans no connections */
function poolerFile(system: SystemDefinition, service: string, { config, database }: PostgresTarget): CommandOutcome {
  const { connections } = system.services[service]!
  if (connections === undefined) {
    throw new SluiceError('CONFIG_INVALID', {
      what: `there are no settings of a pgbouncer for ${service}`,
      why: 'its definition plans no connections',
      ways: [`in the definition of ${service}: connections: { server: 100, pool: 20, clients: 100 }`],
    })
  }
  const ini = pgbouncerIni({ host: config.host ?? 'localhost', port: config.port ?? 5432, database }, connections)
  return { summary: '', result: { service, pgbouncer: ini }, text: ini.trimEnd() }
}

interface Wanted {
  readonly name: string
  readonly from: string
  readonly isSecret: boolean
  readonly showSecrets: boolean
  /** Of a URL that gets another scheme; null: it stays as it is. */
  readonly scheme: string | null
}

function setting(environment: Environment, { name, from, isSecret, showSecrets, scheme }: Wanted): ServiceSetting | null {
  const found = findSetting(environment, from)
  if (!found) return null
  const value = scheme === null ? found.text : `${scheme}${found.text.slice(found.text.indexOf(':'))}`
  if (!isSecret || showSecrets) return { name, value, from: found.file ?? from, shell: shellQuoted(value) }
  return { name, value: null, from: found.file ?? from, shell: reference({ name, variable: from, file: found.file, scheme }) }
}

/**
 * What stands behind `export NAME=`. It fails where the variable is not set, or its file can not be read, so that nothing is started with
 * half a URL: in the shell itself, since the end of a command substitution is nothing to `export`.
 */
function reference(of: { name: string; variable: string; file: string | null; scheme: string | null }): string {
  const { name, variable, file, scheme } = of
  const prefix = scheme === null ? '' : `${scheme}:`
  if (file !== null) {
    const read = scheme === null ? `cat ${shellQuoted(file)}` : `cut -d: -f2- ${shellQuoted(file)}`
    return `"$(${read})"; export ${name}="${prefix}\${${name}:?its file can not be read}"`
  }
  const whole = `"\${${variable}:?is not set}"`
  return scheme === null ? whole : `${whole} ${name}="${prefix}\${${variable}#*:}"`
}

/** What the service's own code subscribes to, and where its outbox is published. */
function topicSettings(system: SystemDefinition, service: string): readonly ServiceSetting[] {
  const topics = subscriptionsOf(system, service).flatMap((subscription) => subscription.topics)
  const outbox = system.services[service]?.outbox?.topic.name
  return [
    ...(topics.length === 0 ? [] : [defined('SLUICE_TOPICS', topics.join(','))]),
    ...(outbox === undefined ? [] : [defined('SLUICE_OUTBOX_TOPIC', outbox)]),
  ]
}

function defined(name: string, value: string): ServiceSetting {
  return { name, value, from: null, shell: shellQuoted(value) }
}

function holdsPassword(url: string | undefined): boolean {
  return url !== undefined && URL.canParse(url) && new URL(url).password !== ''
}
