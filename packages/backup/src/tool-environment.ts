/**
 * A connection as libpq takes it from the environment. A password on a command line could be read by everybody on the machine.
 * https://www.postgresql.org/docs/current/libpq-envars.html
 */
import type { PostgresTarget } from '@sluice/postgres'

const CONNECT_TIMEOUT_SECONDS = '10'

/** What a program may inherit: none of Sluice's own secrets, and nothing that could lead it to another server. */
const INHERITED = ['PATH', 'HOME', 'TMPDIR', 'LD_LIBRARY_PATH', 'PGUSER', 'PGPASSWORD', 'PGPASSFILE'] as const

/** @param applicationName What the server shows of the session. */
export function toolEnvironment(
  { config, tlsFiles, database }: PostgresTarget,
  applicationName: string,
  inherited: Readonly<Record<string, string | undefined>> = process.env,
): Record<string, string> {
  const variables: Readonly<Record<string, string | undefined>> = {
    ...Object.fromEntries(INHERITED.map((name) => [name, inherited[name]])),
    // Messages are read, so they must be in one language.
    LC_ALL: 'C',
    PGAPPNAME: applicationName,
    PGCONNECT_TIMEOUT: CONNECT_TIMEOUT_SECONDS,
    PGHOST: config.host,
    PGPORT: String(config.port ?? 5432),
    PGDATABASE: database,
    // What the URL leaves out is empty.
    ...(config.user ? { PGUSER: config.user } : {}),
    ...(typeof config.password === 'string' && config.password !== '' ? { PGPASSWORD: config.password } : {}),
    PGOPTIONS: config.options,
    PGSSLMODE: sslMode(config.ssl),
    // Without a file the machine's own authorities count, as they do for Sluice's connections.
    PGSSLROOTCERT: tlsFiles?.sslrootcert ?? (sslMode(config.ssl) === 'verify-full' ? 'system' : undefined),
    PGSSLCERT: tlsFiles?.sslcert,
    PGSSLKEY: tlsFiles?.sslkey,
  }
  return Object.fromEntries(Object.entries(variables).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
}

/** Of a program that connects to nothing. */
export function toolPath(inherited: Readonly<Record<string, string | undefined>> = process.env): Record<string, string> {
  const { PATH, LD_LIBRARY_PATH } = inherited
  return { LC_ALL: 'C', ...(PATH === undefined ? {} : { PATH }), ...(LD_LIBRARY_PATH === undefined ? {} : { LD_LIBRARY_PATH }) }
}

/** The mode that checks what Sluice's own connections check. */
function sslMode(ssl: PostgresTarget['config']['ssl']): 'disable' | 'require' | 'verify-ca' | 'verify-full' {
  if (ssl === undefined || ssl === false) return 'disable'
  if (ssl === true) return 'verify-full'
  if (ssl.rejectUnauthorized === false) return 'require'
  return ssl.checkServerIdentity === undefined ? 'verify-full' : 'verify-ca'
}
