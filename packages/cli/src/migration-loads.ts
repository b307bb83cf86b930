/** The initial loads of a system, as the pipeline database remembers them: when each began and ended, and how many rows it stored. */
import { ascending } from '@sluice/core'
import { type PostgresTarget, withConnection } from '@sluice/postgres'
import { type LoadStatus, type TableLoad, listLanes, loadProgress } from '@sluice/store'

export interface MigrationLoad {
  readonly lane: string
  /** When its first rows were stored. Null before that. */
  readonly startedAt: string | null
  /** When its last table was loaded whole. Null until then. */
  readonly finishedAt: string | null
  /** Rows that were stored as events, those that were read again among them. */
  readonly rows: number
  readonly tables: readonly LoadedTable[]
}

export interface LoadedTable {
  /** Of the source, schema-qualified. */
  readonly table: string
  readonly status: LoadStatus
  readonly rows: number
  readonly startedAt: string | null
  readonly finishedAt: string | null
}

/** Every load of every lane of the system; a table that the definition was given later has a load of its own. @throws SluiceError SLU-2001 to SLU-2004 */
export async function readMigrationLoads(pipeline: PostgresTarget, system: string): Promise<readonly MigrationLoad[]> {
  return withConnection(pipeline, { applicationName: 'sluice report' }, async (client) => {
    const loads: MigrationLoad[] = []
    for (const { lane, laneName } of await listLanes(client, system)) {
      const runs = Map.groupBy(await loadProgress(client, lane), (table) => table.run)
      loads.push(...[...runs.values()].map((tables) => migrationLoad(laneName, tables)))
    }
    return loads.toSorted((a, b) => ascending(a.startedAt ?? '9', b.startedAt ?? '9'))
  })
}

/** @param tables Of one run, at least one. */
export function migrationLoad(lane: string, tables: readonly TableLoad[]): MigrationLoad {
  const loaded = tables.map(({ table, status, rowsStored, startedAt, completedAt }) => ({
    table,
    status,
    rows: Number(rowsStored),
    startedAt: startedAt?.toISOString() ?? null,
    finishedAt: completedAt?.toISOString() ?? null,
  }))
  const ends = loaded.map((t) => t.finishedAt)
  return {
    lane,
    startedAt: loaded.flatMap((t) => t.startedAt ?? []).toSorted()[0] ?? null,
    finishedAt: ends.includes(null) ? null : (ends.toSorted().at(-1) ?? null),
    rows: loaded.reduce((sum, t) => sum + t.rows, 0),
    tables: loaded,
  }
}

/** Milliseconds in which loads were at work, those of several lanes at once counted once; null while one has not ended. */
export function loadDurationMs(loads: readonly MigrationLoad[]): number | null {
  let total = 0
  let until = 0
  for (const { startedAt, finishedAt } of loads) {
    if (startedAt === null || finishedAt === null) return null
    const [from, to] = [Math.max(Date.parse(startedAt), until), Date.parse(finishedAt)]
    total += Math.max(0, to - from)
    until = Math.max(until, to)
  }
  return total
}
