/** What a demo would run, said by `--dry-run`: nothing is started and nothing is asked. */
import { testServerRequests } from '@sluice/infra'
import { qualifiedName } from '@sluice/system'
import type { RowChange } from '@sluice/workload'
import { formatCount, renderTable } from '../table.ts'
import type { DemoOptions } from './demo-course.ts'
import type { LoadedDemo } from './load-demo.ts'

export interface DemoPlan {
  readonly system: string
  /** `started`: for the run, and ended with it; `given`: by a variable SLUICE_TEST_… */
  readonly servers: Readonly<Record<string, 'started' | 'given'>>
  /** Databases that are made, marked as the demo's, and dropped: `monolith`, `pipeline`, and each service. */
  readonly databases: readonly string[]
  /** Rows that each table of the monolith begins with. */
  readonly rows: Readonly<Record<string, number>>
  readonly workload: {
    readonly seconds: number
    readonly rowsPerSecond: number
    /** What it does to each table. */
    readonly changes: Readonly<Record<string, readonly RowChange[]>>
  }
  /** Processes that are started beside the demo. */
  readonly processes: readonly string[]
}

export function planDemo(
  { system, demo }: LoadedDemo,
  { rows, ratePerSecond, seconds }: DemoOptions,
  environment: Readonly<Record<string, string | undefined>>,
): DemoPlan {
  const services = Object.keys(system.services)
  const servers = Object.entries(testServerRequests(environment)).map(([name, request]): [string, 'started' | 'given'] => [
    name,
    request === true ? 'started' : 'given',
  ])
  return {
    system: system.name,
    servers: Object.fromEntries(servers),
    databases: ['monolith', 'pipeline', ...services],
    rows: demo.rowsOf(rows),
    workload: {
      seconds,
      rowsPerSecond: ratePerSecond,
      changes: Object.fromEntries([...demo.changes].map(([table, changes]) => [qualifiedName(table), changes])),
    },
    processes: demoProcesses(services).map((args) => `sluice ${args.join(' ')}`),
  }
}

/** Arguments of the processes of a demo: every stage is one of its own. */
export function demoProcesses(services: readonly string[]): readonly (readonly string[])[] {
  return [['run', 'reader'], ['run', 'relay'], ...services.map((service) => ['run', 'projector', service])]
}

export function demoPlanText({ servers, databases, rows, workload, processes }: DemoPlan): string {
  const right = { align: 'right' } as const
  const tables = renderTable(
    [{ title: 'table of the monolith' }, { title: 'rows', ...right }, { title: 'the workload makes' }],
    Object.entries(rows).map(([table, n]) => [table, n, (workload.changes[table] ?? []).join(', ')]),
  )
  return [
    `servers    ${Object.entries(servers)
      .map(([name, how]) => `${name} (${how})`)
      .join(', ')}`,
    `databases  ${databases.join(', ')}`,
    `processes  ${processes.join(', ')}`,
    `workload   ${formatCount(workload.rowsPerSecond)} rows a second, from the beginning until ${formatCount(workload.seconds)} s after the load has arrived`,
    '',
    tables,
  ].join('\n')
}
