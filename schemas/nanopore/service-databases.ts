/** The five databases as the applications of the services open them, with the plan's names, variables and limits. */
import {
  type AccessLog,
  type DatabaseMetrics,
  type ServiceDatabase,
  ServiceDatabases,
  settingsFromEnvironment,
} from '@sluice/database-manager'

export type ServiceName = 'samples' | 'ai' | 'audit' | 'backup' | 'config'

/** `SAMPLES_DB_URL` and its like name them; `DATABASE_URL` is the main database, for development. */
export const DATABASE_NAMES: Readonly<Record<ServiceName, string>> = {
  samples: 'nanopore_samples',
  ai: 'nanopore_ai',
  audit: 'nanopore_audit',
  backup: 'nanopore_backup',
  config: 'nanopore_config',
}

export const CONNECTION_LIMITS: Readonly<Record<ServiceName, { readonly max: number; readonly min: number }>> = {
  // High traffic.
  samples: { max: 20, min: 5 },
  // Long work.
  ai: { max: 15, min: 3 },
  // Many writes.
  audit: { max: 10, min: 2 },
  // In the background.
  backup: { max: 5, min: 1 },
  // Low traffic.
  config: { max: 5, min: 1 },
}

/** Reads of every service are recorded in the audit database. */
export const ACCESS_LOG: AccessLog<ServiceName> = { service: 'audit', table: 'data_access_log' }

/** The databases of all five services. */
export class NanoporeDatabases {
  readonly #databases: ServiceDatabases<ServiceName>

  private constructor(databases: ServiceDatabases<ServiceName>) {
    this.#databases = databases
  }

  /** @throws SluiceError SLU-1002 with every variable that is missing, SLU-1003 */
  static async open(
    environment: Readonly<Record<string, string | undefined>>,
    metrics?: DatabaseMetrics,
  ): Promise<NanoporeDatabases> {
    const settings = {
      samples: { pool: CONNECTION_LIMITS.samples },
      ai: { pool: CONNECTION_LIMITS.ai },
      audit: { pool: CONNECTION_LIMITS.audit },
      backup: { pool: CONNECTION_LIMITS.backup },
      config: { pool: CONNECTION_LIMITS.config },
    }
    const databases = await ServiceDatabases.open<ServiceName>({
      applicationName: 'nanopore',
      services: settingsFromEnvironment(environment, settings),
      access: ACCESS_LOG,
      ...(metrics === undefined ? {} : { metrics }),
    })
    return new NanoporeDatabases(databases)
  }

  get samples(): ServiceDatabase {
    return this.#databases.get('samples')
  }

  get ai(): ServiceDatabase {
    return this.#databases.get('ai')
  }

  get audit(): ServiceDatabase {
    return this.#databases.get('audit')
  }

  get backup(): ServiceDatabase {
    return this.#databases.get('backup')
  }

  get config(): ServiceDatabase {
    return this.#databases.get('config')
  }

  healthCheck(): ReturnType<ServiceDatabases<ServiceName>['healthCheck']> {
    return this.#databases.healthCheck()
  }

  close(graceMs?: number): ReturnType<ServiceDatabases<ServiceName>['close']> {
    return this.#databases.close(graceMs)
  }
}
