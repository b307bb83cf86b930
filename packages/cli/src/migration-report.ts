/**
 * `migration_report.json`: what a migration came to, for whoever was not there. It is made of what provisioning, the loads and the
 * verification say, and its form is fixed by docs/reference/migration-report.schema.json.
 */
import { randomBytes } from 'node:crypto'
import { access, constants, open, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { SluiceError, toJson } from '@sluice/core'
import type { ProvisionStep } from '@sluice/provision'
import type { ServiceReport, TableReport, VerifyReport } from '@sluice/verify'
import type { MigrationLoad } from './migration-loads.ts'

export interface MigrationReport {
  readonly format: 1
  readonly system: string
  /** The verdict of the verification: never better than what was compared. */
  readonly status: VerifyReport['verdict']
  readonly startedAt: string
  readonly finishedAt: string
  readonly durationMs: number
  readonly timings: readonly PhaseTiming[]
  /** What provisioning made, or found; none where it was not part of what is reported. */
  readonly steps: readonly ProvisionStep[]
  /** Earliest first. */
  readonly loads: readonly MigrationLoad[]
  readonly services: readonly MigratedService[]
  readonly validation: Pick<VerifyReport, 'isComplete' | 'sources' | 'durationMs' | 'heldMs'> & {
    readonly chain: readonly Pick<
      VerifyReport['chain'][number],
      'lane' | 'status' | 'links' | 'events' | 'problem' | 'parkedAtRelay'
    >[]
  }
}

export interface PhaseTiming {
  /** `fill`, `provision`, `load`, `workload`, `verify` */
  readonly phase: string
  readonly durationMs: number
}

export interface MigratedService {
  readonly service: string
  readonly status: VerifyReport['verdict']
  /** Rows that its tables must hold, by the source; and those that they hold. */
  readonly rowsBefore: number
  readonly rowsAfter: number
  /** Rows that refer, by a foreign key of the service, to a row that is not there. */
  readonly orphans: number
  readonly parkedEvents: number
  readonly durationMs: number
  readonly tables: readonly MigratedTable[]
}

export interface MigratedTable extends Pick<
  TableReport,
  'table' | 'missing' | 'extra' | 'different' | 'status' | 'reason' | 'durationMs'
> {
  readonly rowsBefore: number
  readonly rowsAfter: number
}

export interface MigrationCourse {
  readonly startedAt: Date
  readonly finishedAt: Date
  readonly timings: readonly PhaseTiming[]
  readonly steps: readonly ProvisionStep[]
  readonly loads: readonly MigrationLoad[]
  readonly verification: VerifyReport
}

export function migrationReport({
  startedAt,
  finishedAt,
  timings,
  steps,
  loads,
  verification,
}: MigrationCourse): MigrationReport {
  const { system, verdict, isComplete, sources, durationMs, heldMs } = verification
  return {
    format: 1,
    system,
    status: verdict,
    startedAt: startedAt.toISOString(),
    finishedAt: finishedAt.toISOString(),
    durationMs: finishedAt.getTime() - startedAt.getTime(),
    timings,
    steps,
    loads,
    services: verification.services.map(migratedService),
    validation: {
      isComplete,
      sources,
      durationMs,
      heldMs,
      chain: verification.chain.map(({ lane, status, links, events, problem, parkedAtRelay }) => ({
        lane,
        status,
        links,
        events,
        problem,
        parkedAtRelay,
      })),
    },
  }
}

/** Before the work that it is about, which may take hours. @throws SluiceError SLU-1003 if its folder refuses it */
export async function assertReportWritable(file: string): Promise<void> {
  await access(path.dirname(path.resolve(file)), constants.W_OK).catch((cause: unknown) => {
    throw notWritable(file, cause)
  })
}

/** Under another name first, so that nobody reads half of it. @throws SluiceError SLU-1003 if the file can not be written */
export async function writeMigrationReport(file: string, report: MigrationReport): Promise<void> {
  const partial = `${file}.${randomBytes(4).toString('hex')}.partial`
  try {
    const handle = await open(partial, 'wx')
    try {
      await handle.writeFile(`${toJson(report, 2)}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(partial, file)
  } catch (cause) {
    await rm(partial, { force: true })
    throw notWritable(file, cause)
  }
}

function notWritable(file: string, cause: unknown): SluiceError {
  return new SluiceError('CONFIG_INVALID', {
    what: `the report ${file} can not be written`,
    why: cause instanceof Error && 'code' in cause ? String(cause.code) : 'its folder refuses it',
    ways: ['name a file in a folder that is there and may be written to'],
    cause,
  })
}

function migratedService({ service, tables, references, parked }: ServiceReport): MigratedService {
  return {
    service,
    status: statusOf(tables, references),
    rowsBefore: tables.reduce((sum, t) => sum + t.sourceRows, 0),
    rowsAfter: tables.reduce((sum, t) => sum + t.targetRows, 0),
    orphans: references.reduce((sum, r) => sum + r.orphans, 0),
    parkedEvents: parked,
    durationMs: tables.reduce((sum, t) => sum + t.durationMs, 0),
    tables: tables.map(({ table, sourceRows, targetRows, missing, extra, different, status, reason, durationMs }) => ({
      table,
      rowsBefore: sourceRows,
      rowsAfter: targetRows,
      missing,
      extra,
      different,
      status,
      reason,
      durationMs,
    })),
  }
}

/** As verify's verdict of the whole: a service without tables was not compared. */
function statusOf(tables: readonly TableReport[], references: ServiceReport['references']): VerifyReport['verdict'] {
  if (tables.some((t) => t.status === 'different') || references.some((r) => r.status === 'broken')) return 'different'
  const isWhole = tables.length > 0 && tables.every((t) => t.status === 'equal') && references.every((r) => r.status === 'kept')
  return isWhole ? 'equal' : 'partial'
}
