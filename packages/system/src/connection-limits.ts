/** What a definition says of connections to the servers of its services; connection-plan.ts adds it up. */

/** The server that holds a service's database, and the pooler in front of it. */
export interface ServiceConnections {
  /** PostgreSQL's `max_connections`. */
  readonly server: number
  /** Connections of the pooler to the server (pgbouncer's `default_pool_size`), or the pools of an application without one, in all. */
  readonly pool: number
  /** Clients that the pooler lets in (pgbouncer's `max_client_conn`). @default those that `pool` says */
  readonly clients?: number
}

/** What all servers of the services may have together. */
export interface ConnectionLimits {
  readonly total: number
  /** Of them, kept for what nobody has planned. @default 0 */
  readonly reserved?: number
  /** Of them, for monitoring. @default 0 */
  readonly monitoring?: number
}
