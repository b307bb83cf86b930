/** Databases of two services on a real server, and a manager of them. */
import { type TestDatabase, createTestDatabase } from '@sluice/infra'
import { type DatabaseMetrics, createDatabaseMetrics } from '@sluice/telemetry'
import pg from 'pg'
import { ServiceDatabases, type ServiceDatabasesOptions, type ServiceSettings } from '@sluice/database-manager'

export type ServiceName = 'samples' | 'ai'

export interface ServiceFixture extends AsyncDisposable {
  readonly databases: ServiceDatabases<ServiceName>
  readonly metrics: DatabaseMetrics
  readonly urls: Readonly<Record<ServiceName, string>>
  /** As the tables' owner, beside the manager. */
  readonly owner: pg.Client
}

export interface FixtureOptions extends Pick<ServiceDatabasesOptions<ServiceName>, 'access'> {
  readonly samples?: Partial<ServiceSettings>
  readonly ai?: Partial<ServiceSettings>
  /** Run in the database of samples, before the manager opens it. */
  readonly tables?: string
}

/** As it is seen in `pg_stat_activity`. */
export const APPLICATION = 'manager test'

export async function openServices(options: FixtureOptions = {}): Promise<ServiceFixture> {
  const server = process.env['SLUICE_TEST_SERVICES_URL']
  if (server === undefined) throw new Error('SLUICE_TEST_SERVICES_URL is set by the global setup')
  const made: Record<ServiceName, TestDatabase> = {
    samples: await createTestDatabase(server, 'manager samples'),
    ai: await createTestDatabase(server, 'manager ai'),
  }
  const owner = new pg.Client(made.samples.url)
  await owner.connect()
  await owner.query(options.tables ?? 'CREATE TABLE samples (id integer PRIMARY KEY, name text NOT NULL)')
  const metrics = createDatabaseMetrics()
  const databases = await ServiceDatabases.open<ServiceName>({
    applicationName: APPLICATION,
    services: {
      samples: { url: made.samples.url, ...options.samples },
      ai: { url: made.ai.url, ...options.ai },
    },
    metrics,
    ...(options.access === undefined ? {} : { access: options.access }),
  })
  return {
    databases,
    metrics,
    urls: { samples: made.samples.url, ai: made.ai.url },
    owner,
    async [Symbol.asyncDispose]() {
      await databases.close(0)
      await owner.end()
      await made.samples.drop()
      await made.ai.drop()
    },
  }
}

/** Sessions that the application has in the database of samples. */
export async function sessionsOf({ owner }: ServiceFixture): Promise<number> {
  const { rows } = await owner.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1`,
    [APPLICATION],
  )
  return rows[0]!.n
}

/** The value of one sample, undefined where there is none. */
export async function metric(metrics: DatabaseMetrics, sample: string): Promise<number | undefined> {
  const line = (await metrics.render()).split('\n').find((text) => text.startsWith(`${sample} `))
  return line === undefined ? undefined : Number(line.slice(sample.length + 1))
}

/** Work that holds its connection until it is released. */
export function heldWork() {
  const begun = Promise.withResolvers<undefined>()
  const released = Promise.withResolvers<undefined>()
  return {
    begun: begun.promise,
    release: () => released.resolve(undefined),
    work: async (): Promise<void> => {
      begun.resolve(undefined)
      await released.promise
    },
  }
}
