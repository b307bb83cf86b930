/** A PostgreSQL database that Sluice talks to, with everything a connection needs and a form that may be shown. */
import { SluiceError } from '@sluice/core'
import type { ClientConfig } from 'pg'
import { parseIntoClientConfig } from 'pg-connection-string'

export interface PostgresTarget {
  /** What the user calls it: `monolith`, `pipeline`, a service's name. */
  readonly name: string
  /** Includes the password; never logged. */
  readonly config: ClientConfig
  readonly database: string
  /** `host:port/database`, without user and password. */
  readonly display: string
  /** Files that the URL names for TLS, by the URL's names: PostgreSQL's own programs take the files, `config` has what is in them. */
  readonly tlsFiles?: TlsFiles
}

export interface TlsFiles {
  readonly sslrootcert?: string
  readonly sslcert?: string
  readonly sslkey?: string
}

const TLS_FILES = ['sslrootcert', 'sslcert', 'sslkey'] as const

/**
 * Reads a connection URL. TLS as in libpq: `sslmode` (disable, require, verify-full, …), `sslrootcert`, `sslcert`, `sslkey`;
 * every mode but `disable` verifies the certificate, and `sslmode=no-verify` has to be written to do without.
 *
 * https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
 *
 * @throws SluiceError SLU-1003 if it is not such a URL; the URL itself is not in the message, since it holds a password.
 */
export function postgresTarget(name: string, url: string): PostgresTarget {
  const parsed = parseUrl(name, url)
  const config = clientConfig(name, url)
  const database = decodeURIComponent(parsed.pathname.slice(1))
  if (parsed.hostname === '' || database === '') {
    throw invalidUrl(name, parsed.hostname === '' ? 'it names no host' : 'it names no database')
  }
  const tlsFiles = Object.fromEntries(
    TLS_FILES.flatMap((file) => {
      const path = parsed.searchParams.get(file)
      return path === null ? [] : [[file, path]]
    }),
  )
  return { name, config, database, display: `${parsed.hostname}:${parsed.port || '5432'}/${database}`, tlsFiles }
}

/** The same server and user with another database. */
export function withDatabase(target: PostgresTarget, database: string): PostgresTarget {
  const server = target.display.slice(0, target.display.indexOf('/'))
  return { ...target, config: { ...target.config, database }, database, display: `${server}/${database}` }
}

function parseUrl(name: string, url: string): URL {
  if (!/^postgres(ql)?:\/\//.test(url)) throw invalidUrl(name, 'it does not begin with postgresql://')
  try {
    return new URL(url)
  } catch {
    throw invalidUrl(name, 'it is not a URL')
  }
}

function clientConfig(name: string, url: string): ClientConfig {
  try {
    return parseIntoClientConfig(url)
  } catch (error) {
    // Reading a certificate file failed: the message names the file, never the URL.
    throw invalidUrl(name, error instanceof Error && 'path' in error ? error.message : 'it has a part that can not be read')
  }
}

function invalidUrl(name: string, why: string): SluiceError {
  return new SluiceError('CONFIG_INVALID', {
    what: `the URL of ${name} can not be used`,
    why,
    ways: [`export SLUICE_${name.toUpperCase()}_URL='postgresql://user:password@host:5432/database?sslmode=verify-full'`],
  })
}
