/** What an application says about each of its service databases, with the defaults. */
import { SluiceError } from '@sluice/core'
import { z } from 'zod'
import { namesOf } from './by-name.ts'

/** Timers take no longer delays. */
const DELAY_MS_MAX = 2 ** 31 - 1

const milliseconds = () => z.int().positive().max(DELAY_MS_MAX)

const poolSchema = z
  .strictObject({
    /** Connections that are opened at once and stay open while nobody needs them. */
    min: z.int().nonnegative().default(1),
    max: z.int().positive().default(10),
    /** Longest wait for a connection, a free one or a new one. */
    timeoutMs: milliseconds().default(30_000),
    /** Age at which a connection is closed once it is free. */
    recycleMs: milliseconds().min(1_000).default(3_600_000),
    /** Units of work that may wait at once, beyond which one is refused without a wait. */
    waitingMax: z.int().nonnegative().default(1_000),
  })
  .refine(({ min, max }) => min <= max, { error: 'min is more than max', path: ['min'] })

const replicaSchema = z.strictObject({
  url: z.string(),
  /** How much older than the primary what is read there may be. The lag is measured once a second. */
  lagMsMax: milliseconds().min(2_000).default(5_000),
})

const settingsSchema = z.strictObject({
  /** `postgresql://user:password@host:5432/database?sslmode=verify-full&sslrootcert=…` */
  url: z.string(),
  /** Each has a pool of its own. Their places name them, from 1 on: `replica_1`. */
  replicas: z
    .array(replicaSchema)
    .refine((replicas) => new Set(replicas.map(({ url }) => url)).size === replicas.length, { error: 'one is named twice' })
    .default([]),
  pool: poolSchema.prefault({}),
  statementTimeoutMs: milliseconds().default(30_000),
  /** How long a transaction may stand open without a statement, until PostgreSQL ends its session. */
  idleTransactionTimeoutMs: milliseconds().default(60_000),
  /**
   * `transaction`: a pooler like pgbouncer is in between and gives each transaction another session. Then every statement runs in
   * a transaction that brings its settings along, and none has a name.
   */
  pooler: z.enum(['none', 'transaction']).default('none'),
  /** What the disk has for the database; for an alert. */
  diskBytes: z.int().positive().optional(),
  /** The URL is the main database's, for development. */
  isFallback: z.boolean().default(false),
})

export type ServiceSettings = z.input<typeof settingsSchema>
export type ResolvedSettings = z.output<typeof settingsSchema>
export type PoolLimits = ResolvedSettings['pool']

/** @throws SluiceError SLU-1003 with every mistake and its place; values are not shown, since a URL holds a password */
export function resolveSettings<Name extends string>(
  services: Readonly<Record<Name, ServiceSettings>>,
): ReadonlyMap<Name, ResolvedSettings> {
  const parsed = z.record(z.string(), settingsSchema).safeParse(services)
  if (!parsed.success) {
    throw new SluiceError('CONFIG_INVALID', {
      what: 'the settings of the service databases can not be used',
      why: parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; '),
      ways: ['correct them where the application opens its service databases'],
    })
  }
  return new Map(namesOf(services).map((name) => [name, parsed.data[name]!]))
}
