/** What a connection string says of its own safety: TLS with a verified certificate, and a password that nobody guesses. */
import type { HealthCheck } from '@sluice/core'
import type { PostgresTarget } from '@sluice/postgres'
import { failed, ok, warning } from '../finding.ts'

/** Words that stand in examples, in the documents of systems too. */
const KNOWN_PASSWORDS = new Set([
  'postgres',
  'password',
  'pass',
  'admin',
  'root',
  'secret',
  'changeme',
  'test',
  'example',
  'sluice',
  'user',
])
const PASSWORD_LENGTH_MIN = 12

export function postgresTlsCheck(prefix: string, target: PostgresTarget): HealthCheck {
  const name = `${prefix}.tls`
  const { ssl, host } = target.config
  const fix = [`?sslmode=verify-full&sslrootcert=/path/to/ca.pem in ${urlVariable(target)}`]
  if (ssl === undefined || ssl === false) {
    if (isThisMachine(host ?? '')) return ok(name, 'not encrypted: the connection does not leave this machine')
    return failed(name, { summary: `the connection to ${target.display} is not encrypted`, fix })
  }
  if (typeof ssl === 'object' && ssl.rejectUnauthorized === false) {
    return failed(name, {
      summary: `the certificate of ${target.display} is not verified`,
      cause: 'whoever is in between can read and change everything',
      fix,
    })
  }
  if (typeof ssl === 'object' && ssl.checkServerIdentity !== undefined) {
    return warning(name, {
      summary: `any server of the same authority is taken for ${target.display}: its name is not checked`,
      fix,
    })
  }
  return ok(name, 'encrypted, and the certificate is verified')
}

/** The password itself is never shown. */
export function passwordCheck(prefix: string, target: PostgresTarget): HealthCheck {
  const name = `${prefix}.password`
  const { password, user = '' } = target.config
  if (typeof password !== 'string' || password === '') return ok(name, 'the URL has none')
  const weakness = weaknessOf(password, user)
  if (weakness === null) return ok(name, 'none that is known')
  return failed(name, {
    summary: `the password of "${user}" ${weakness}`,
    fix: [`ALTER ROLE "${user}" PASSWORD '<the answer of: openssl rand -base64 24>';    and the same in ${urlVariable(target)}`],
  })
}

export interface Transports {
  readonly kafka: { readonly brokers: readonly string[]; readonly isEncrypted: boolean; readonly isAuthenticated: boolean }
  readonly registry: { readonly url: string }
}

export function transportChecks({ kafka, registry }: Transports): readonly HealthCheck[] {
  const isKafkaHere = kafka.brokers.every((broker) => isThisMachine(broker.slice(0, broker.lastIndexOf(':'))))
  const url = new URL(registry.url)
  return [
    kafka.isEncrypted
      ? ok('kafka.tls', 'encrypted, and the certificates are verified')
      : isKafkaHere
        ? ok('kafka.tls', 'not encrypted: the connection does not leave this machine')
        : failed('kafka.tls', {
            summary: `the connection to ${kafka.brokers.join(',')} is not encrypted`,
            fix: ['export KAFKA_SSL=true KAFKA_SSL_CA_FILE=/path/to/ca.pem    with a listener for it at the brokers'],
          }),
    kafka.isAuthenticated || isKafkaHere
      ? ok('kafka.authentication', kafka.isAuthenticated ? 'by SASL' : 'none: the connection does not leave this machine')
      : warning('kafka.authentication', {
          summary: 'whoever reaches the brokers may read and write',
          fix: ['export KAFKA_SASL_MECHANISM=scram-sha-512 KAFKA_SASL_USERNAME=… KAFKA_SASL_PASSWORD_FILE=…'],
        }),
    url.protocol === 'https:'
      ? ok('registry.tls', 'encrypted, and the certificate is verified')
      : isThisMachine(url.hostname)
        ? ok('registry.tls', 'not encrypted: the connection does not leave this machine')
        : failed('registry.tls', {
            summary: `the connection to ${url.host} is not encrypted`,
            fix: [`export SCHEMA_REGISTRY_URL=https://${url.host}`],
          }),
  ]
}

function weaknessOf(password: string, user: string): string | null {
  const lower = password.toLowerCase()
  if (KNOWN_PASSWORDS.has(lower)) return 'is one that stands in examples'
  if (lower === user.toLowerCase()) return 'is its name'
  return password.length < PASSWORD_LENGTH_MIN ? `has ${password.length} characters, ${PASSWORD_LENGTH_MIN} are the least` : null
}

/** A host of the loopback, or a folder with a socket. */
function isThisMachine(host: string): boolean {
  return host === 'localhost' || host.startsWith('/') || host === '::1' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

function urlVariable(target: PostgresTarget): string {
  return `SLUICE_${target.name.toUpperCase().replaceAll('-', '_')}_URL`
}
