/** What a system exports from its `demo.ts`: data for its monolith, and a workload that runs on it. */
import { SluiceError } from '@sluice/core'
import { type CapturedTable, type SystemDefinition, qualifiedName } from '@sluice/system'
import { type FillOptions, type FillReport, fillMonolith } from './fill-monolith.ts'
import { RandomChanges } from './random-changes.ts'
import { sampleCounts } from './sample-rows.ts'
import type { SampleTable } from './sample-table.ts'
import type { WeightedStep } from './steps.ts'
import { type WorkloadOptions, type WorkloadReport, runSteps } from './workload.ts'

export type RowChange = 'insert' | 'update' | 'delete'

export interface SystemDemo {
  /** How many rows each table gets where there are to be `rows` in all, about: `public.opportunities` and its number. */
  rowsOf(rows: number): Readonly<Record<string, number>>
  /** Fills every captured table of the monolith, which has its migrations and no rows of the same seed. */
  fill(options: FillOptions): Promise<FillReport>
  /** Seeded random transactions until the signal aborts. */
  runWorkload(options: WorkloadOptions): Promise<WorkloadReport>
  /** What the workload does to each captured table. */
  readonly changes: ReadonlyMap<CapturedTable, readonly RowChange[]>
}

export interface SystemDemoOptions {
  readonly system: SystemDefinition
  /** One for each captured table. */
  readonly tables: readonly SampleTable[]
  /** What else the application does: own events, keys that change, several tables at once. */
  readonly steps?: readonly WeightedStep[]
}

/** @throws SluiceError SLU-1005 if a captured table has no sample table, or two */
export function systemDemo({ system, tables, steps = [] }: SystemDemoOptions): SystemDemo {
  assertEveryTable(system, tables)
  const ordered = parentsFirst(tables)
  return {
    rowsOf: (rows) => Object.fromEntries([...sampleCounts(ordered, rows)].map(([sample, n]) => [sample.name, n])),
    fill: (options) => fillMonolith(ordered, options),
    runWorkload: (options) => runSteps([...new RandomChanges(ordered).steps(), ...steps], options),
    changes: new Map(ordered.map((sample) => [sample.table, changesOf(sample)])),
  }
}

function changesOf(sample: SampleTable): readonly RowChange[] {
  return ['insert', ...(sample.isUpdated ? ['update' as const] : []), ...(sample.isDeleted ? ['delete' as const] : [])]
}

function assertEveryTable(system: SystemDefinition, tables: readonly SampleTable[]): void {
  const problems = system.monolith.tables.flatMap((captured) => {
    const count = tables.filter((sample) => sample.table === captured).length
    return count === 1 ? [] : [`${qualifiedName(captured)} has ${count === 0 ? 'no sample table' : `${count} sample tables`}`]
  })
  if (problems.length === 0) return
  throw new SluiceError('SYSTEM_INVALID', {
    what: `the demo of ${system.name} does not fit its definition`,
    why: problems.join('\n'),
    ways: [`give each captured table one sampleTable(…) in schemas/${system.name}/demo.ts`],
  })
}

/** A sample table can only name parents that were made before it, so there are no circles. */
function parentsFirst(tables: readonly SampleTable[]): readonly SampleTable[] {
  const ordered = new Set<SampleTable>()
  const add = (sample: SampleTable): void => {
    for (const parent of Object.values(sample.parents)) add(parent.sample)
    ordered.add(sample)
  }
  for (const sample of tables) add(sample)
  return [...ordered]
}
