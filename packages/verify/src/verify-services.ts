/** Compares every table of the services of one comparison point, a few services at once. */
import { SluiceError } from '@sluice/core'
import type { SealedReader } from '@sluice/privacy'
import { type ServiceDefinition, type SystemDefinition, ownTablesOf } from '@sluice/system'
import type { CompareLimits } from './compare-table.ts'
import { ComparedBytes } from './compared-bytes.ts'
import { consistencyOf } from './consistency.ts'
import type { ComparisonPoint, ServicePoint } from './comparison-point.ts'
import { type ExpectedTable, expectedTables, handlersWithoutExpectation, tableName } from './expected-table.ts'
import { sourceTables, whyHidden } from './hidden-rows.ts'
import { settled } from './lane-catch-up.ts'
import { MONOLITH } from './point-scope.ts'
import { countReferences } from './references.ts'
import { readRowFilters } from './row-filters.ts'
import type { SnapshotSession } from './snapshot-session.ts'
import { serviceTables } from './target-catalog.ts'
import type { OnVerifyProgress } from './verify-progress.ts'
import type { ServiceReport, TableReport } from './verify-report.ts'
import { unverifiableTable, verifyTable } from './verify-table.ts'

export interface CompareOptions {
  readonly system: SystemDefinition
  /** Names of tables as reports have them; others are left out. */
  readonly tables?: readonly string[] | undefined
  readonly limits: CompareLimits
  /** Opens encrypted values; null if the system has none. */
  readonly reader: SealedReader | null
  readonly onProgress: OnVerifyProgress
}

/** Reports in the order of the point's services. @throws SluiceError if a server can't be used */
export async function verifyServices(
  point: Pick<ComparisonPoint, 'sources' | 'services'>,
  options: CompareOptions,
): Promise<readonly ServiceReport[]> {
  const waiting = [...point.services]
  const reports = new Map<string, ServiceReport>()
  const compared = await measure(point, options)
  options.onProgress({ phase: 'measured', bytes: compared.total })
  const workers = Math.max(...[...point.sources.values()].map((sessions) => sessions.length))
  await settled(
    Array.from({ length: workers }, async (_, worker) => {
      const sources = new Map([...point.sources].map(([name, sessions]) => [name, sessions[worker]!]))
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        reports.set(next[0], await verifyService(sources, next[0], next[1], options, compared))
      }
    }),
  )
  return [...point.services.keys()].map((service) => reports.get(service)!)
}

/** Of every table that something is expected of. @throws SluiceError SLU-5002 */
function measure({ services }: Pick<ComparisonPoint, 'services'>, { system, tables }: CompareOptions): Promise<ComparedBytes> {
  const wanted = [...services.keys()].flatMap((service) =>
    expectedTables(definitionOf(system, service))
      .filter(({ schema, table }) => tables === undefined || tables.includes(tableName(schema, table)))
      .map(({ schema, table }) => ({ service, schema, table })),
  )
  return ComparedBytes.measure(services, wanted)
}

async function verifyService(
  sources: ReadonlyMap<string, SnapshotSession>,
  service: string,
  point: ServicePoint,
  options: CompareOptions,
  compared: ComparedBytes,
): Promise<ServiceReport> {
  const definition = definitionOf(options.system, service)
  const isWanted = (name: string): boolean => options.tables === undefined || options.tables.includes(name)
  const tables: TableReport[] = []
  const rowFilters = await readRowFilters(sources.get(MONOLITH), options.system)
  for (const expected of expectedTables(definition, rowFilters)) {
    const name = tableName(expected.schema, expected.table)
    if (!isWanted(name)) continue
    options.onProgress({ phase: 'comparing', service, table: name })
    const source = sources.get(expected.source)
    const hidden = source && (await hiddenFrom(source, point.session, expected, options.system))
    const report = hidden
      ? unverifiableTable(name, hidden)
      : source
        ? await verifyTable(source, point.session, expected, options.limits, options.reader)
        : unverifiableTable(
            name,
            `service "${expected.source}" has no outbox that this service consumes, so no LSN to compare at`,
          )
    const bytes = compared.add({ service, schema: expected.schema, table: expected.table })
    options.onProgress({ phase: 'compared', service, table: report, bytes })
    tables.push(report)
  }
  const unknown = await withoutExpectation(definition, point.session)
  const all = [...tables, ...unknown.filter((t) => isWanted(t.table))]
  const verifiable = new Set(tables.filter((t) => t.status !== 'unverifiable').map((t) => t.table))
  const references = await countReferences(point.session, verifiable)
  return {
    service,
    tables: all,
    references,
    consistency: consistencyOf(all, references),
    lanes: point.lanes,
    parked: point.parked,
    edited: point.edited,
  }
}

/** Why one of the two sides is not seen whole, or null. */
async function hiddenFrom(
  source: SnapshotSession,
  target: SnapshotSession,
  expected: ExpectedTable,
  system: SystemDefinition,
): Promise<string | null> {
  return (
    (await whyHidden(source, sourceTables(system, expected.source))) ??
    (await whyHidden(target, [{ schema: expected.schema, name: expected.table }]))
  )
}

/**
 * What handlers may have written that nothing is expected of: a handler that names no expectation, and, beside any
 * handler, a table with rows that no projection names. Empty tables say nothing.
 */
async function withoutExpectation(definition: ServiceDefinition, session: SnapshotSession): Promise<readonly TableReport[]> {
  if (!definition.projections.some((p) => p.kind === 'handler')) return []
  const handlers = handlersWithoutExpectation(definition)
  const known = new Set([...expectedTables(definition).map((e) => `${e.schema}.${e.table}`), ...ownTablesOf(definition)])
  const reports = handlers.map((name) => unverifiableTable(`handler ${name}`, 'the handler has no expectation'))
  for (const { schema, name, hasRows } of await serviceTables(session)) {
    if (known.has(`${schema}.${name}`)) continue
    // A table looks empty, too, to whom row level security hides its rows.
    const hidden = hasRows ? null : await whyHidden(session, [{ schema, name }])
    if (!hasRows && hidden === null) continue
    reports.push(unverifiableTable(tableName(schema, name), hidden ?? 'no mapping and no expectation says what it must hold'))
  }
  return reports
}

function definitionOf(system: SystemDefinition, service: string): ServiceDefinition {
  const definition = system.services[service]
  if (!definition) throw unknownService(system, service)
  return definition
}

export function unknownService(system: SystemDefinition, service: string): SluiceError {
  return new SluiceError('SERVICE_UNKNOWN', {
    what: `system "${system.name}" has no service "${service}"`,
    why: `its services are ${Object.keys(system.services).join(', ')}`,
    ways: ['sluice verify'],
  })
}
