/** Whether constraints and indexes do what their names say. */
import { type HealthCheck, quoteIdentifier } from '@sluice/core'
import { APPLICATION_TABLES } from '@sluice/system'
import type { ClientBase } from 'pg'
import { failed, ok, warning } from '../finding.ts'

const NAMED_MAX = 5

interface Named {
  readonly relation: string
  readonly name: string
}

/** An index that was left half made, and constraints that were never checked over the rows that were there. */
export async function checkStructure(prefix: string, client: ClientBase): Promise<readonly HealthCheck[]> {
  const { rows: indexes } = await client.query<Named>(
    `SELECT i.indrelid::regclass::text AS relation, i.indexrelid::regclass::text AS name FROM pg_catalog.pg_index i
     WHERE NOT i.indisvalid AND i.indrelid >= 16384 ORDER BY 2`,
  )
  const { rows: constraints } = await client.query<Named>(
    `SELECT conrelid::regclass::text AS relation, conname AS name FROM pg_catalog.pg_constraint
     WHERE NOT convalidated AND conrelid >= 16384 ORDER BY 1, 2`,
  )
  // The first columns of an index must be those of the reference, in any order, else each delete of a parent reads the whole child.
  const { rows: references } = await client.query<Named & { readonly columns: string[] }>(
    `SELECT c.conrelid::regclass::text AS relation, c.conname AS name,
       ARRAY(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY AS k (number, place)
         JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number ORDER BY k.place) AS columns
     FROM pg_catalog.pg_constraint c
     WHERE c.contype = 'f' AND c.conrelid IN (SELECT t.oid FROM (${APPLICATION_TABLES}) t) AND NOT EXISTS (
       SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.conrelid AND i.indisvalid AND i.indpred IS NULL
         AND (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey)
     ORDER BY 1, 2`,
  )
  return [
    indexes.length === 0
      ? ok(`${prefix}.indexes`, 'every index is valid')
      : failed(`${prefix}.indexes`, {
          summary: `${count(indexes, 'index is', 'indexes are')} not valid: ${listed(indexes)}`,
          fix: indexes.slice(0, NAMED_MAX).map(({ name }) => `REINDEX INDEX CONCURRENTLY ${name};`),
        }),
    constraints.length === 0
      ? ok(`${prefix}.constraints`, 'every constraint was checked over all rows')
      : failed(`${prefix}.constraints`, {
          summary: `${count(constraints, 'constraint was', 'constraints were')} not checked over the rows that were there: ${listed(constraints)}`,
          fix: constraints
            .slice(0, NAMED_MAX)
            .map(({ relation, name }) => `ALTER TABLE ${relation} VALIDATE CONSTRAINT ${quoteIdentifier(name)};`),
        }),
    references.length === 0
      ? ok(`${prefix}.reference_indexes`, 'every foreign key has an index')
      : warning(`${prefix}.reference_indexes`, {
          summary: `${count(references, 'foreign key has', 'foreign keys have')} no index: ${listed(references)}`,
          fix: references
            .slice(0, NAMED_MAX)
            .map(
              ({ relation, columns }) => `CREATE INDEX CONCURRENTLY ON ${relation} (${columns.map(quoteIdentifier).join(', ')});`,
            ),
        }),
  ]
}

function count(found: readonly unknown[], one: string, many: string): string {
  return `${found.length} ${found.length === 1 ? one : many}`
}

function listed(found: readonly Named[]): string {
  const shown = found.slice(0, NAMED_MAX).map(({ relation, name }) => `${name} of ${relation}`)
  return [...shown, ...(found.length > NAMED_MAX ? ['and more'] : [])].join(', ')
}
