/** Compares the captured tables of a lane with the source's catalog, and tells every difference at once. */
import { type ErrorName, SluiceError } from '@sluice/core'
import type { PostgresTarget } from '@sluice/postgres'
import { type CapturedTable, type LaneDefinition, qualifiedName } from '@sluice/system'
import { OUTBOX_REQUIRED_COLUMNS, outboxName } from './outbox-table.ts'
import type { CatalogColumn, CatalogTable } from './source-catalog.ts'

interface Problem {
  readonly code: ErrorName
  readonly why: string
  readonly way: string
  /** The changes of the table can be stored as they come, and be published when the definition fits them. */
  readonly mayWait?: boolean
}

/**
 * @param isStreaming The lane's tables are loaded: then what came of their columns since is the matter of the stream, which may
 *   have changes from before and after it.
 * @returns the differences that may wait
 * @throws SluiceError SLU-2011 to SLU-2014: the code of the first difference, the text of all of them.
 */
export function assertTables(
  lane: LaneDefinition,
  catalog: ReadonlyMap<string, CatalogTable>,
  target: PostgresTarget,
  isStreaming = false,
): readonly string[] {
  const found = [...lane.tables.flatMap((table) => tableProblems(table, catalog)), ...outboxProblems(lane, catalog)]
  const problems = found.filter((p) => !isStreaming || p.mayWait !== true)
  const [first] = problems
  if (!first) return found.map((p) => p.why)
  throw new SluiceError(first.code, {
    what: `${problems.length === 1 ? 'a captured table differs' : `${problems.length} differences`} between the definition and ${target.name} (${target.display})`,
    why: problems.map((p) => p.why).join('; '),
    ways: [...new Set(problems.map((p) => p.way))],
  })
}

function tableProblems(table: CapturedTable, catalog: ReadonlyMap<string, CatalogTable>): readonly Problem[] {
  const name = qualifiedName(table)
  const found = catalog.get(name)
  if (!found) return [missing(name)]
  return [...kindProblems(found, name), ...keyProblems(table, found, name), ...columnProblems(table, found, name)]
}

function missing(name: string): Problem {
  return {
    code: 'TABLE_MISSING',
    why: `table ${name} does not exist`,
    way: `create ${name}, or take it out of the system definition`,
  }
}

function kindProblems(found: CatalogTable, name: string): readonly Problem[] {
  if (found.kind === 'r' || found.kind === 'p') return []
  return [{ code: 'TABLE_MISSING', why: `${name} is not a table`, way: `capture the tables that ${name} reads` }]
}

function keyProblems(table: CapturedTable, found: CatalogTable, name: string): readonly Problem[] {
  if (found.primaryKey.length === 0) {
    return [
      {
        code: 'PRIMARY_KEY_MISSING',
        why: `table ${name} has no primary key`,
        way: `ALTER TABLE ${name} ADD PRIMARY KEY (${table.key.join(', ')})`,
      },
    ]
  }
  const problems: Problem[] = []
  if (found.primaryKey.join() !== table.key.join()) {
    problems.push({
      code: 'PRIMARY_KEY_MISSING',
      why: `the primary key of ${name} is (${found.primaryKey.join(', ')}), the definition says (${table.key.join(', ')})`,
      way: `set key: [${found.primaryKey.map((c) => `'${c}'`).join(', ')}] for ${name} in the system definition`,
    })
  }
  return [...problems, ...identityProblems(found, name)]
}

/** A deferrable key is no replica identity, and an index other than the key's does not hold the key. */
function identityProblems(found: CatalogTable, name: string): readonly Problem[] {
  const { replicaIdentity: identity } = found
  const isUsable =
    identity === 'f' || (identity === 'd' && !found.isKeyDeferrable) || (identity === 'i' && found.identityIsPrimaryKey)
  if (isUsable) return []
  const why =
    identity === 'n'
      ? `${name} has REPLICA IDENTITY NOTHING, so updates and deletes would be refused once it is published`
      : identity === 'i'
        ? `the replica identity of ${name} is an index other than its primary key`
        : `the primary key of ${name} is deferrable, so it is no replica identity`
  const form = found.isKeyDeferrable ? 'FULL' : 'DEFAULT'
  return [{ code: 'REPLICA_IDENTITY_UNUSABLE', why, way: `ALTER TABLE ${name} REPLICA IDENTITY ${form}` }]
}

function columnProblems(table: CapturedTable, found: CatalogTable, name: string): readonly Problem[] {
  const problems = table.columnNames.flatMap((columnName) => {
    const wanted = table.sourceColumns[columnName]
    const column = found.columns.get(columnName)
    if (!wanted) return []
    if (!column) return [columnProblem(`column ${name}.${columnName} does not exist`)]
    const problems: Problem[] = []
    if (!isSameType(column, wanted.sqlType)) {
      problems.push(columnProblem(`${name}.${columnName} has type ${column.type}, the definition says ${wanted.sqlType}`))
    }
    if (!wanted.isNullable && !column.isNotNull) {
      problems.push(columnProblem(`${name}.${columnName} may be NULL, the definition says it may not`))
    }
    return problems
  })
  return [
    ...(hasPrivateColumns(table) ? problems : problems.map((problem) => ({ ...problem, mayWait: true }))),
    ...table.columnNames.flatMap((columnName) => generatedProblem(found.columns.get(columnName), name)),
  ]
}

/** Does not wait: the column is in no event before the definition or the server is another. */
function generatedProblem(column: CatalogColumn | undefined, name: string): readonly Problem[] {
  if (column === undefined || column.isPublishable) return []
  const isVirtual = column.generated === 'virtual'
  return [
    {
      code: 'COLUMN_MISMATCH',
      why: isVirtual
        ? `${name}.${column.name} is a virtual generated column, which PostgreSQL does not replicate`
        : `${name}.${column.name} is a generated column, which PostgreSQL replicates from version 18 on`,
      way: `take ${column.name} out of the columns of ${name} in the system definition, and compute it in the mapping${isVirtual ? ', or make it STORED' : ''}`,
    },
  ]
}

/** An unknown column may be a private one that was renamed: nothing of such a table is stored unless it fits. */
export function hasPrivateColumns(table: CapturedTable): boolean {
  return Object.keys(table.privacy).length > 0
}

function columnProblem(why: string): Problem {
  return { code: 'COLUMN_MISMATCH', why, way: 'correct the columns in the system definition, then: sluice doctor' }
}

/** The definition may leave out the schema of a type in `public`. */
function isSameType(column: CatalogColumn, wanted: string): boolean {
  return column.type === wanted || column.type === `public.${wanted}`
}

function outboxProblems(lane: LaneDefinition, catalog: ReadonlyMap<string, CatalogTable>): readonly Problem[] {
  if (!lane.outbox) return []
  const name = qualifiedName(outboxName(lane.outbox))
  const found = catalog.get(name)
  if (!found) return [{ ...missing(name), way: 'sluice provision    makes the outbox table' }]
  return [
    ...OUTBOX_REQUIRED_COLUMNS.filter((c) => found.columns.get(c)?.isNotNull !== true).map((c) =>
      columnProblem(`column ${name}.${c} of the outbox does not exist, or may be NULL`),
    ),
    ...(found.primaryKey.length === 0
      ? [
          {
            code: 'PRIMARY_KEY_MISSING' as const,
            why: `table ${name} has no primary key`,
            way: `ALTER TABLE ${name} ADD PRIMARY KEY (id)`,
          },
        ]
      : identityProblems(found, name)),
  ]
}
