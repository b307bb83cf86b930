/** A connection that was to be encrypted, and can not be trusted, with the way out of each case. */
import { type CertificateFault, SluiceError, certificateFault } from '@sluice/core'
import type { PostgresTarget } from './target.ts'

/** Null for every other error. */
export function tlsFault(error: unknown, target: PostgresTarget): SluiceError | null {
  const fault = certificateFault(error)
  if (fault) {
    return new SluiceError('CERTIFICATE_REFUSED', {
      what: `${target.name} (${target.display}) is not trusted`,
      why: fault.why,
      ways: waysOut(fault.kind, target),
      cause: error,
    })
  }
  // The driver's own words, without a code.
  if (!(error instanceof Error) || !/does not support SSL connections/.test(error.message)) return null
  return new SluiceError('TLS_MISSING', {
    what: `the connection to ${target.name} (${target.display}) is not encrypted`,
    why: 'its URL asks for TLS, and the server has none',
    ways: [
      'ALTER SYSTEM SET ssl = on;    with ssl_cert_file and ssl_key_file, then SELECT pg_reload_conf();',
      `?sslmode=disable in ${urlVariable(target)}, where nobody else is on the network in between`,
    ],
    cause: error,
  })
}

function waysOut(kind: CertificateFault['kind'], target: PostgresTarget): readonly string[] {
  const [address] = target.display.split('/')
  const show = (what: string): string =>
    `openssl s_client -starttls postgres -connect ${address} </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer ${what}`
  switch (kind) {
    case 'expired':
    case 'not yet valid':
      return [
        `${show('-dates')}    shows from when to when it is valid`,
        'put a new certificate where ssl_cert_file of the server says, then there: SELECT pg_reload_conf();',
      ]
    case 'host':
      return [
        `${show('-ext subjectAltName')}    shows the names that it is for`,
        `one of these names as the host in ${urlVariable(target)}, or a certificate for this host`,
      ]
    case 'authority':
    case 'other':
      return [
        `?sslmode=verify-full&sslrootcert=/path/to/ca.pem in ${urlVariable(target)}, the file of the authority that signed it`,
        `${show('')}    shows who signed it`,
      ]
  }
}

function urlVariable(target: PostgresTarget): string {
  return `SLUICE_${target.name.toUpperCase().replaceAll('-', '_')}_URL`
}
