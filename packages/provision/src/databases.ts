/** Databases and their migrations. */
import {
  type MigrationSet,
  type PostgresTarget,
  connect,
  inTransaction,
  createPool,
  migrate,
  pendingMigrations,
  sqlStateOf,
  toPostgresError,
  withDatabase,
} from '@sluice/postgres'
import { isSluiceError, quoteIdentifier } from '@sluice/core'
import { type AggregateTopic, saveAggregateTopics } from '@sluice/store'
import { type SystemDefinition, lanesOf } from '@sluice/system'
import type { ProvisionStep } from './step.ts'

/** Migrations of one database. */
export interface Migrations {
  readonly pending: () => Promise<readonly string[]>
  readonly apply: () => Promise<{ readonly applied: readonly string[] }>
}

export function setOf(target: PostgresTarget, set: MigrationSet): Migrations {
  return { pending: () => pendingMigrations(target, set), apply: () => migrate(target, set) }
}

/** Applies what is pending. */
export async function migrateStep(
  step: Pick<ProvisionStep, 'place' | 'what'>,
  migrations: Migrations,
  isDryRun: boolean,
): Promise<ProvisionStep> {
  const pending = await migrations.pending().catch((error: unknown) => {
    // A dry run before the database exists: everything is pending.
    if (isDryRun && isSluiceError(error, 'POSTGRES_AUTH_FAILED')) return ['all, once the database exists']
    throw error
  })
  if (pending.length === 0) return { ...step, outcome: 'present', detail: 'up to date' }
  if (isDryRun) return { ...step, outcome: 'planned', detail: pending.join(', ') }
  const { applied } = await migrations.apply()
  return { ...step, outcome: 'done', detail: applied.join(', ') }
}

/** Creates a database that does not exist, through database `postgres` of its server. */
export async function databaseStep(place: string, target: PostgresTarget, isDryRun: boolean): Promise<ProvisionStep> {
  const admin = withDatabase(target, 'postgres')
  const what = `database ${target.database}`
  const client = await connect(admin, { applicationName: 'sluice provision' })
  try {
    const { rowCount } = await client.query('SELECT FROM pg_catalog.pg_database WHERE datname = $1', [target.database])
    if (rowCount !== 0) return { place, what, outcome: 'present', detail: target.display }
    if (isDryRun) return { place, what, outcome: 'planned', detail: target.display }
    await client.query(`CREATE DATABASE ${quoteIdentifier(target.database)} TEMPLATE template0`)
    return { place, what, outcome: 'done', detail: target.display }
  } catch (error) {
    // Another provision was faster.
    if (sqlStateOf(error) === '42P04') return { place, what, outcome: 'present', detail: target.display }
    throw toPostgresError(error, admin)
  } finally {
    await client.end()
  }
}

const SAVED_TOPICS = 'SELECT aggregate_type AS "aggregateType", topic FROM aggregate_topics WHERE system_name = $1'

/** Writes which topic each aggregate goes to, for the view `event_outbox`. */
export async function aggregateTopicsStep(
  system: SystemDefinition,
  target: PostgresTarget,
  isDryRun: boolean,
): Promise<ProvisionStep> {
  const topics = lanesOf(system).flatMap((lane) =>
    lane.tables.map((t) => ({ aggregateType: t.aggregateType, topic: t.topic.name })),
  )
  const step = { place: 'pipeline', what: 'topics of the aggregates', detail: `${topics.length} aggregates` }
  const pool = createPool(target, { applicationName: 'sluice provision', max: 1 })
  try {
    const present = await pool.query<{ found: boolean }>(`SELECT to_regclass('public.aggregate_topics') IS NOT NULL AS found`)
    const isNew = present.rows[0]?.found !== true
    const saved = isNew ? [] : (await pool.query<AggregateTopic>(SAVED_TOPICS, [system.name])).rows
    const wanted = topics.map((t) => `${t.aggregateType} ${t.topic}`).toSorted()
    if (
      wanted.join() ===
      saved
        .map((t) => `${t.aggregateType} ${t.topic}`)
        .toSorted()
        .join()
    )
      return { ...step, outcome: 'present' }
    if (isDryRun) return { ...step, outcome: 'planned' }
    await inTransaction(pool, (client) => saveAggregateTopics(client, system.name, topics))
    return { ...step, outcome: 'done' }
  } catch (error) {
    // A dry run before the database exists.
    if (isDryRun && sqlStateOf(error) === '3D000') return { ...step, outcome: 'planned' }
    throw toPostgresError(error, target)
  } finally {
    await pool.end()
  }
}
