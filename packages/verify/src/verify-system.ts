/**
 * Promise 11, verified means equal: every table of the services in scope is compared whole, both ways, at one LSN of the
 * monolith; the hash chain of every lane is recomputed (promise 12), and the versions of aggregates are counted (promise 2).
 */
import { SluiceError } from '@sluice/core'
import type { KafkaPort } from '@sluice/kafka'
import {
  type MasterKeys,
  SealedReader,
  assertErasuresApplied,
  requireMasterKeys,
  setCaptureKeys,
  subjectKinds,
} from '@sluice/privacy'
import type { OpenSinks } from '@sluice/sink'
import type { SystemDefinition } from '@sluice/system'
import { checkChains } from './chain-check.ts'
import { type ComparisonPoint, openComparisonPoint } from './comparison-point.ts'
import { consistencyOf } from './consistency.ts'
import { type CountOptions, countEverywhere } from './count-everywhere.ts'
import { expectedTables, tableName } from './expected-table.ts'
import { MONOLITH } from './point-scope.ts'
import type { MessageDecoder } from './topic-messages.ts'
import { DEFAULT_VERIFY_LIMITS, type VerifyLimits } from './verify-limits.ts'
import type { VerifyProgress } from './verify-progress.ts'
import { type CountReport, type ServiceReport, type VerifyReport, verdictOf } from './verify-report.ts'
import { unknownService, verifyServices } from './verify-services.ts'
import { type SinkScope, verifySinks } from './verify-sinks.ts'
import { type VerifyTargets, serviceTarget } from './verify-targets.ts'
import { checkVersions } from './version-check.ts'

export interface VerifyOptions {
  readonly system: SystemDefinition
  /** Services in scope. @default all */
  readonly services?: readonly string[]
  /** Tables in scope, as reports name them; a verification of some tables only is partial. @default all */
  readonly tables?: readonly string[]
  readonly targets: VerifyTargets
  /** For the heads that the control topics keep; without it the chain is `unchecked` and the verdict partial. */
  readonly kafka?: KafkaPort
  /** Where it is given, topics are read whole, and everything is counted in every store. It needs `kafka`. @default nothing is counted */
  readonly decoder?: MessageDecoder
  /** Makes the sinks of services, by service. A table of a sink that is not named is unverifiable. */
  readonly openSinks?: OpenSinks
  /** Needed where the system hashes or encrypts columns. */
  readonly masterKeys?: MasterKeys | null
  readonly limits?: Partial<VerifyLimits>
  readonly onProgress?: (progress: VerifyProgress) => void
  readonly signal?: AbortSignal
}

/**
 * Differences, parked events and broken chains are in the report.
 *
 * @throws SluiceError SLU-6003, SLU-2025 if the point can't be reached; SLU-5002 for an unknown service; SLU-200x if a
 *   database can't be used; SLU-8010 if one is older than an erasure; the signal's reason if it aborts.
 */
export async function verifySystem(options: VerifyOptions): Promise<VerifyReport> {
  const startedAt = performance.now()
  const { system, targets } = options
  const limits = { ...DEFAULT_VERIFY_LIMITS, ...options.limits }
  const onProgress = options.onProgress ?? (() => undefined)
  const signal = options.signal ?? new AbortController().signal
  const services = scopeOf(options)
  const reader = await openSealedReader(options, services)
  const point = await openComparisonPoint({ system, services, targets, limits, onProgress, signal }).catch(
    async (error: unknown) => {
      await reader?.close()
      throw error
    },
  )
  try {
    for (const session of reader ? (point.sources.get(MONOLITH) ?? []) : []) {
      await setCaptureKeys(session.client, reader!.keys, reader!.erased)
    }
    const compared = await verifyServices(point, { system, tables: options.tables, limits, reader, onProgress })
    const reports: ServiceReport[] = []
    for (const report of compared) reports.push(await withSinks(report, point, { ...options, onProgress, signal }))
    const chain = await checkChains({ system, pipeline: targets.pipeline, kafka: options.kafka, onProgress, signal })
    const versions = await checkVersions({ pipeline: targets.pipeline, onProgress, signal })
    const counts = await countsOf(options, point, { services: reports, onProgress, signal })
    const parts = {
      isComplete: options.tables === undefined,
      services: reports,
      chain,
      versions,
      ...(counts ? { counts } : {}),
    }
    return {
      system: system.name,
      verdict: verdictOf(parts),
      ...parts,
      sources: point.points,
      durationMs: Math.round(performance.now() - startedAt),
      heldMs: point.heldMs,
    }
  } finally {
    await point.close()
    await reader?.close()
  }
}

async function countsOf(
  { system, targets, kafka, decoder }: VerifyOptions,
  point: ComparisonPoint,
  rest: Pick<CountOptions, 'services' | 'onProgress' | 'signal'>,
): Promise<CountReport | null> {
  const [monolith] = point.sources.get(MONOLITH) ?? []
  if (!decoder || !kafka || !monolith) return null
  return countEverywhere({ system, targets, kafka, decoder, monolith, ...rest })
}

/** The report of a service, with the tables that it has in a sink. */
async function withSinks(
  report: ServiceReport,
  point: ComparisonPoint,
  {
    system,
    targets,
    openSinks = {},
    tables: wanted,
    onProgress,
    signal,
  }: VerifyOptions & Pick<SinkScope, 'onProgress' | 'signal'>,
): Promise<ServiceReport> {
  const service = point.services.get(report.service)
  if (!service || wanted !== undefined) return report
  const sunk = await verifySinks({ system, targets, openSinks, onProgress, signal }, report.service, service)
  const tables = [...report.tables, ...sunk]
  return sunk.length === 0 ? report : { ...report, tables, consistency: consistencyOf(tables, report.references) }
}

/**
 * Before anything is held up: without its keys a system with hashed or encrypted columns can not be compared, and with a key that
 * an older copy brought back it must not be.
 */
async function openSealedReader(
  { system, targets, masterKeys }: VerifyOptions,
  services: readonly string[],
): Promise<SealedReader | null> {
  const rules = system.monolith.tables.flatMap((table) => Object.values(table.privacy))
  if (!rules.some((rule) => rule.kind === 'hash' || rule.kind === 'encrypt')) return null
  const master = requireMasterKeys(masterKeys ?? null, `columns of system "${system.name}" are hashed or encrypted`)
  if (subjectKinds(system).size > 0) {
    const inScope = Object.fromEntries(services.map((service) => [service, serviceTarget(targets, service)]))
    await assertErasuresApplied({ system, ...targets, services: inScope })
  }
  return SealedReader.open(system, targets.pipeline, master)
}

function scopeOf({ system, services, tables }: VerifyOptions): readonly string[] {
  const all = Object.keys(system.services)
  const unknown = services?.find((service) => !all.includes(service))
  if (unknown !== undefined) throw unknownService(system, unknown)
  const scope = services ?? all
  const known = scope.flatMap((s) => expectedTables(system.services[s]!).map((e) => tableName(e.schema, e.table)))
  const stray = tables?.find((table) => !known.includes(table))
  if (stray === undefined) return scope
  throw new SluiceError('USAGE', {
    what: `no service in scope has a table "${stray}" to verify`,
    why: `the tables are ${[...new Set(known)].join(', ')}`,
    ways: ['sluice verify'],
  })
}
