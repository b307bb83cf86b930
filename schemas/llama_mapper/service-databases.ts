/** The databases as the applications of the services open them: each its own and no other, with the plan's pool. */
import { type DatabaseMetrics, ServiceDatabases, settingsFromEnvironment } from '@sluice/database-manager'

export type ServiceName = 'orchestration' | 'analysis' | 'mapper'

/** Of each service. */
export const POOL = {
  min: 5,
  max: 20,
  /** Waiting for a connection. */
  timeoutMs: 30_000,
  /** A connection is used for an hour. */
  recycleMs: 3_600_000,
} as const

/** What the manager tells is kept beside the rows that were read: a service has credentials for its own database alone. */
export const ACCESS_TABLE = 'data_access_log'

/**
 * `MAPPER_DATABASE_URL` and its like name the databases. Every unit of work runs inside of `runAsTenant`: outside of it the tables show
 * no rows.
 *
 * @throws SluiceError SLU-1002 if the service has no URL, SLU-1003
 */
export async function openServiceDatabase(
  service: ServiceName,
  environment: Readonly<Record<string, string | undefined>>,
  metrics?: DatabaseMetrics,
): Promise<ServiceDatabases<string>> {
  return ServiceDatabases.open<string>({
    applicationName: `llama ${service}`,
    services: settingsFromEnvironment<string>(environment, { [service]: { pool: POOL } }),
    access: { service, table: ACCESS_TABLE },
    ...(metrics === undefined ? {} : { metrics }),
  })
}
