/** What the service database says about the tables that projections write: column types, unique indexes and references between them. */
import { SluiceError } from '@sluice/core'
import type { TableMapping } from '@sluice/system'
import type { ClientBase } from 'pg'
import { type UniqueIndex, readUniqueIndexes } from './unique-indexes.ts'

export interface TargetColumn {
  readonly name: string
  /**
   * The type a value is cast to before it is assigned: without its length or scale, so that a text that is too long is
   * refused by the assignment instead of being cut by the cast; for a domain its base type.
   */
  readonly castType: string
}

export interface ForeignKey {
  readonly constraint: string
  /** `schema.table` of the row that refers. */
  readonly child: string
  readonly childColumns: readonly string[]
  readonly parent: string
  readonly parentColumns: readonly string[]
}

export interface TargetCatalog {
  /** By `schema.table`, then column. */
  readonly columns: ReadonlyMap<string, ReadonlyMap<string, TargetColumn>>
  readonly foreignKeys: readonly ForeignKey[]
  readonly uniqueIndexes: readonly UniqueIndex[]
  /** `schema.table`, parents before children; tables of a cycle stand in any order. */
  readonly order: readonly string[]
}

export function targetName(mapping: Pick<TableMapping, 'targetSchema' | 'target'>): string {
  return `${mapping.targetSchema}.${mapping.target}`
}

/** @throws SluiceError SLU-5001 with every table and column that a mapping needs and the database lacks. */
export async function readTargetCatalog(
  client: ClientBase,
  service: string,
  mappings: readonly TableMapping[],
): Promise<TargetCatalog> {
  const names = [...new Map(mappings.map((m) => [targetName(m), m])).values()]
  const schemas = names.map((m) => m.targetSchema)
  const tables = names.map((m) => m.target)
  const columns = await readColumns(client, schemas, tables)
  assertComplete(service, mappings, columns)
  const foreignKeys = await readForeignKeys(client, schemas, tables)
  const uniqueIndexes = await readUniqueIndexes(client, names)
  return { columns, foreignKeys, uniqueIndexes, order: parentsFirst([...columns.keys()], foreignKeys) }
}

async function readColumns(
  client: ClientBase,
  schemas: readonly string[],
  tables: readonly string[],
): Promise<Map<string, Map<string, TargetColumn>>> {
  // format_type(…, -1) prints the bare type: `bpchar` and not `character`, which would mean character(1).
  const { rows } = await client.query<{ table: string; name: string; cast_type: string }>(
    `SELECT n.nspname || '.' || c.relname AS table, a.attname AS name,
       format_type(CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE a.atttypid END, -1) AS cast_type
     FROM unnest($1::text[], $2::text[]) AS wanted (schema_name, table_name)
     JOIN pg_namespace n ON n.nspname = wanted.schema_name
     JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.table_name AND c.relkind IN ('r', 'p')
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     JOIN pg_type t ON t.oid = a.atttypid
     ORDER BY 1, a.attnum`,
    [schemas, tables],
  )
  const columns = new Map<string, Map<string, TargetColumn>>()
  for (const row of rows) {
    const known = columns.get(row.table) ?? new Map<string, TargetColumn>()
    known.set(row.name, { name: row.name, castType: row.cast_type })
    columns.set(row.table, known)
  }
  return columns
}

async function readForeignKeys(
  client: ClientBase,
  schemas: readonly string[],
  tables: readonly string[],
): Promise<readonly ForeignKey[]> {
  const { rows } = await client.query<ForeignKey>(
    `WITH wanted AS (
       SELECT c.oid, n.nspname || '.' || c.relname AS name
       FROM unnest($1::text[], $2::text[]) AS w (schema_name, table_name)
       JOIN pg_namespace n ON n.nspname = w.schema_name
       JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.table_name)
     SELECT k.conname AS constraint, child.name AS child, parent.name AS parent,
       (SELECT array_agg(a.attname::text ORDER BY o) FROM unnest(k.conkey) WITH ORDINALITY u (num, o)
         JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num) AS "childColumns",
       (SELECT array_agg(a.attname::text ORDER BY o) FROM unnest(k.confkey) WITH ORDINALITY u (num, o)
         JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num) AS "parentColumns"
     FROM pg_constraint k
     JOIN wanted child ON child.oid = k.conrelid
     JOIN wanted parent ON parent.oid = k.confrelid
     WHERE k.contype = 'f'
     ORDER BY k.conname`,
    [schemas, tables],
  )
  return rows
}

function assertComplete(
  service: string,
  mappings: readonly TableMapping[],
  columns: ReadonlyMap<string, ReadonlyMap<string, TargetColumn>>,
): void {
  const missing = mappings.flatMap((mapping) => {
    const known = columns.get(targetName(mapping))
    if (!known) return [`table ${targetName(mapping)}`]
    return [...Object.keys(mapping.columns), ...Object.keys(mapping.tracking)].flatMap((c) =>
      known.has(c) ? [] : [`column ${targetName(mapping)}.${c}`],
    )
  })
  if (missing.length === 0) return
  throw new SluiceError('SERVICE_NOT_PROVISIONED', {
    what: `the database of service "${service}" lacks what its projections write`,
    why: `${[...new Set(missing)].join(', ')} not found`,
    ways: ['sluice provision', `add a migration to the service "${service}" that creates them, then: sluice provision`],
  })
}

/** Depth-first over the references; one that closes a cycle is left out. */
export function parentsFirst(
  tables: readonly string[],
  foreignKeys: readonly Pick<ForeignKey, 'child' | 'parent'>[],
): readonly string[] {
  const placed = new Set<string>()
  const visiting = new Set<string>()
  const place = (table: string): void => {
    if (placed.has(table) || visiting.has(table)) return
    visiting.add(table)
    for (const key of foreignKeys) if (key.child === table && key.parent !== table) place(key.parent)
    visiting.delete(table)
    placed.add(table)
  }
  for (const table of [...tables].sort()) place(table)
  return [...placed]
}
