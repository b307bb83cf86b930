/**
 * A service that is declared independent has its events in order within a key only. A constraint that reaches over keys would then
 * refuse what was legal in the source: a child before its parent, a unique value that its former holder has not given up yet.
 */
import { SluiceError } from '@sluice/core'
import type { TableMapping } from '@sluice/system'
import type { ClientBase } from 'pg'
import { type TargetCatalog, targetName } from './target-catalog.ts'

interface UniqueIndex {
  readonly name: string
  /** `schema.table` */
  readonly table: string
  /** Plain columns; what an expression reads is not among them. */
  readonly columns: readonly string[]
  readonly is_exclusion: boolean
}

/** @throws SluiceError SLU-5003 naming every such constraint between the tables that projections write. */
export async function assertIndependent(
  client: ClientBase,
  service: string,
  mappings: readonly TableMapping[],
  catalog: TargetCatalog,
): Promise<void> {
  const keys = new Map(mappings.map((m) => [targetName(m), m.targetKey]))
  const references = catalog.foreignKeys.map((k) => `foreign key ${k.constraint} of ${k.child} refers to ${k.parent}`)
  const unique = (await readUniqueIndexes(client, mappings))
    .filter(({ table, columns, is_exclusion: isExclusion }) => {
      const key = keys.get(table) ?? []
      // One that holds the whole key can only be met by the key itself.
      return isExclusion || key.length === 0 || !key.every((column) => columns.includes(column))
    })
    .map((index) => `${index.is_exclusion ? 'exclusion' : 'unique'} index ${index.name} of ${index.table} reaches over keys`)
  const problems = [...references, ...unique]
  if (problems.length === 0) return
  throw new SluiceError('SERVICE_NOT_INDEPENDENT', {
    what: `service "${service}" can not be worked on by several projectors`,
    why: `it is declared independent, but ${problems.join('; ')}`,
    ways: [
      `remove independent: true from services.${service} of the system definition`,
      'or drop these constraints in a migration of the service, if the monolith is what keeps them',
    ],
  })
}

async function readUniqueIndexes(client: ClientBase, mappings: readonly TableMapping[]): Promise<readonly UniqueIndex[]> {
  const { rows } = await client.query<UniqueIndex>(
    `SELECT x.relname AS name, n.nspname || '.' || c.relname AS table, i.indisexclusion AS is_exclusion,
       array(SELECT a.attname::text FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum = ANY ((i.indkey::smallint[])[0:i.indnkeyatts - 1])) AS columns
     FROM (SELECT DISTINCT s, t FROM unnest($1::text[], $2::text[]) AS w (s, t)) AS wanted
     JOIN pg_namespace n ON n.nspname = wanted.s
     JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.t
     JOIN pg_index i ON i.indrelid = c.oid AND (i.indisunique OR i.indisexclusion)
     JOIN pg_class x ON x.oid = i.indexrelid
     ORDER BY 2, 1`,
    [mappings.map((m) => m.targetSchema), mappings.map((m) => m.target)],
  )
  return rows
}
