/** How an application's connections are opened: TLS as in its URL, and limits that PostgreSQL itself holds to. */
import type { PostgresTarget } from '@sluice/postgres'
import type { ClientConfig } from 'pg'
import type { ResolvedSettings } from './service-settings.ts'

/** A server that ends a statement in time says so within this; if it says nothing, the network is silent. */
const SILENCE_MS = 5_000
/** What is asked for health, lag and size takes no time. */
const MONITOR_TIMEOUT_MS = 2_000

/** Of the connections that the application borrows. */
export function poolConfig(target: PostgresTarget, settings: ResolvedSettings, applicationName: string): ClientConfig {
  return {
    ...baseConfig(target, applicationName),
    connectionTimeoutMillis: settings.pool.timeoutMs,
    query_timeout: settings.statementTimeoutMs + SILENCE_MS,
    // A pooler refuses settings that it does not know when a session begins: there they come with each transaction.
    ...(settings.pooler === 'transaction'
      ? {}
      : {
          statement_timeout: settings.statementTimeoutMs,
          idle_in_transaction_session_timeout: settings.idleTransactionTimeoutMs,
        }),
  }
}

/** Of the connections by which the manager itself looks at a server. */
export function monitorConfig(target: PostgresTarget, applicationName: string): ClientConfig {
  return {
    ...baseConfig(target, applicationName),
    connectionTimeoutMillis: MONITOR_TIMEOUT_MS,
    query_timeout: MONITOR_TIMEOUT_MS,
  }
}

function baseConfig(target: PostgresTarget, applicationName: string): ClientConfig {
  return { ...target.config, application_name: applicationName, keepAlive: true }
}
