/**
 * The file that a pgbouncer in front of a service's database is started with: transaction mode, and the numbers that the definition
 * plans for it. https://www.pgbouncer.org/config.html
 */
import { quoteIdentifier } from '@sluice/core'
import type { ServiceConnections } from './connection-limits.ts'

/** The database behind the pooler, at its own server. */
export interface PooledDatabase {
  readonly host: string
  readonly port: number
  readonly database: string
}

/** The file's text. Where pgbouncer listens is added at its end; passwords stand in the `auth_file` that it names. */
export function pgbouncerIni({ host, port, database }: PooledDatabase, { pool, clients = pool }: ServiceConnections): string {
  const name = /^\w+$/.test(database) ? database : quoteIdentifier(database)
  const settings = {
    pool_mode: 'transaction',
    // Each role has a pool of this size; the next line is what all roles have together, which is what the plan says.
    default_pool_size: pool,
    max_db_connections: pool,
    max_client_conn: clients,
    // By itself 15 s: a server that is back would be missed for so long.
    server_login_retry: 1,
    auth_type: 'scram-sha-256',
    auth_file: '/etc/pgbouncer/users.txt',
  }
  return [
    '[databases]',
    `${name} = host=${host} port=${port} dbname='${database.replaceAll("'", "''")}'`,
    '',
    '[pgbouncer]',
    ...Object.entries(settings).map(([key, value]) => `${key} = ${value}`),
    '',
  ].join('\n')
}
