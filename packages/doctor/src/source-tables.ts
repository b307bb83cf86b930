/** Compares the captured tables with the source's catalog: existence, key, columns, rights, replica identity. */
import type { HealthCheck } from '@sluice/core'
import { partitionTree } from '@sluice/postgres'
import { type CapturedTable, type SystemDefinition, qualifiedName } from '@sluice/system'
import type { ClientBase } from 'pg'
import { failed, ok, warning } from './finding.ts'
import { identityReason } from './identity-advice.ts'

interface CatalogColumn {
  readonly name: string
  readonly type: string
  readonly notnull: boolean
  /** False for generated columns that this server never sends. */
  readonly publishable: boolean
  readonly may_select: boolean
  /** May be stored out of line. */
  readonly toastable: boolean
}

interface CatalogTable {
  readonly kind: string
  readonly identity: string
  readonly owned: boolean
  readonly role: string
  readonly key: readonly string[] | null
  readonly columns: readonly CatalogColumn[]
  /** Values are stored out of line, of the table or a partition of it. */
  readonly has_large_values: boolean
}

const CATALOG = `
  SELECT c.relkind::text AS kind, c.relreplident::text AS identity, current_user::text AS role,
    pg_catalog.pg_has_role(c.relowner, 'USAGE') AS owned,
    EXISTS (SELECT FROM ${partitionTree('c.oid')} AS tree JOIN pg_catalog.pg_class p ON p.oid = tree.relid
       WHERE pg_catalog.pg_relation_size(p.reltoastrelid) > 0) AS has_large_values,
    (SELECT array_agg(a.attname::text ORDER BY k.place)
       FROM pg_catalog.pg_index i CROSS JOIN unnest(i.indkey) WITH ORDINALITY AS k (number, place)
       JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
       WHERE i.indrelid = c.oid AND i.indisprimary) AS key,
    (SELECT json_agg(json_build_object('name', a.attname, 'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
         'notnull', a.attnotnull, 'toastable', a.attstorage IN ('x', 'e'), 'may_select', pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT'), 'publishable',
         a.attgenerated = '' OR (a.attgenerated = 's' AND current_setting('server_version_num')::int >= 180000)))
       FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE n.nspname = $1 AND c.relname = $2`

export async function checkTables(
  prefix: string,
  client: ClientBase,
  system: SystemDefinition,
  tables: readonly CapturedTable[],
): Promise<readonly HealthCheck[]> {
  const checks: HealthCheck[] = []
  for (const table of tables) {
    const { rows } = await client.query<CatalogTable>(CATALOG, [table.schema, table.name])
    checks.push(...tableChecks(`${prefix}.table.${qualifiedName(table)}`, table, rows[0], system))
  }
  return checks
}

function tableChecks(
  name: string,
  table: CapturedTable,
  found: CatalogTable | undefined,
  system: SystemDefinition,
): readonly HealthCheck[] {
  const qualified = qualifiedName(table)
  if (!found) {
    return [
      failed(name, {
        summary: `table ${qualified} does not exist`,
        fix: [`create ${qualified}, or take it out of the system definition`],
        code: 'SLU-2011',
      }),
    ]
  }
  const problems = [
    ...keyProblem(name, table, found),
    ...columnProblems(name, table, found),
    ...rightsProblem(name, table, found),
    ...identityProblem(name, table, found, system),
  ]
  return problems.length > 0 ? problems : [ok(name, `${table.columnNames.length} columns, key (${table.key.join(', ')})`)]
}

function keyProblem(name: string, table: CapturedTable, { key }: CatalogTable): readonly HealthCheck[] {
  if (key === null) {
    return [
      failed(name, {
        summary: `${qualifiedName(table)} has no primary key`,
        fix: [`ALTER TABLE ${qualifiedName(table)} ADD PRIMARY KEY (${table.key.join(', ')});`],
        code: 'SLU-2012',
      }),
    ]
  }
  if (key.join() === table.key.join()) return []
  return [
    failed(name, {
      summary: `the primary key is (${key.join(', ')}), the definition says (${table.key.join(', ')})`,
      fix: [`set key: [${key.map((c) => `'${c}'`).join(', ')}] in the system definition`],
      code: 'SLU-2012',
    }),
  ]
}

function columnProblems(name: string, table: CapturedTable, found: CatalogTable): readonly HealthCheck[] {
  const columns = new Map(found.columns.map((c) => [c.name, c]))
  const problems = table.columnNames.flatMap((columnName) => {
    const wanted = table.sourceColumns[columnName]!
    const column = columns.get(columnName)
    if (!column) return [`${columnName} does not exist`]
    if (column.type !== wanted.sqlType && column.type !== `public.${wanted.sqlType}`) {
      return [`${columnName} has type ${column.type}, the definition says ${wanted.sqlType}`]
    }
    if (!wanted.isNullable && !column.notnull) return [`${columnName} may be NULL, the definition says it may not`]
    if (!column.publishable)
      return [`${columnName} is generated, and PostgreSQL replicates such a column from version 18 on, if it is STORED`]
    return []
  })
  const unknown = found.columns.filter((c) => !Object.hasOwn(table.sourceColumns, c.name)).map((c) => c.name)
  return [
    ...(problems.length === 0
      ? []
      : [
          failed(name, {
            summary: `columns differ: ${problems.join('; ')}`,
            fix: ['correct the columns in the system definition, then: sluice schemas generate'],
            code: 'SLU-2013',
          }),
        ]),
    ...(unknown.length === 0
      ? []
      : [
          warning(name, {
            summary: `columns that the definition leaves out: ${unknown.join(', ')}; they will not be captured`,
            fix: ['add them to the system definition, if a service needs them'],
          }),
        ]),
  ]
}

/** The right to read the captured columns is enough: others may be kept from leaving. */
function rightsProblem(name: string, table: CapturedTable, found: CatalogTable): readonly HealthCheck[] {
  const qualified = qualifiedName(table)
  const captured: readonly string[] = table.columnNames
  if (found.columns.some((column) => captured.includes(column.name) && !column.may_select)) {
    return [
      failed(name, {
        summary: `role "${found.role}" may not SELECT from ${qualified}`,
        fix: [`GRANT SELECT ON ${qualified} TO "${found.role}";`],
        code: 'SLU-2003',
      }),
    ]
  }
  if (found.owned) return []
  return [
    warning(name, {
      summary: `role "${found.role}" does not own ${qualified}, so it can not publish it`,
      fix: [
        `create the publication as the owner (see the publication's check), or: ALTER TABLE ${qualified} OWNER TO "${found.role}";`,
      ],
    }),
  ]
}

function identityProblem(
  name: string,
  table: CapturedTable,
  found: CatalogTable,
  system: SystemDefinition,
): readonly HealthCheck[] {
  const alter = (form: string): string => `ALTER TABLE ${qualifiedName(table)} REPLICA IDENTITY ${form};`
  if (found.identity === 'n') {
    return [
      failed(name, {
        summary: 'REPLICA IDENTITY NOTHING: updates and deletes would be refused once the table is published',
        fix: [alter('DEFAULT')],
      }),
    ]
  }
  if (found.identity === 'f') return []
  const toastable = new Set(found.columns.filter((c) => c.toastable).map((c) => c.name))
  const reason = identityReason(system, table, { toastable, hasLargeValues: found.has_large_values })
  return reason === null ? [] : [warning(name, { ...reason, fix: [alter('FULL')] })]
}
