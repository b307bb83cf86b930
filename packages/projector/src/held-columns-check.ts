/** Start check of the places where handlers keep granted values: an erasure that is asked for later must find each of them. */
import { SluiceError } from '@sluice/core'
import type { ServiceDefinition } from '@sluice/system'
import type { ClientBase } from 'pg'

/** @throws SluiceError SLU-5001 with every column that the database lacks */
export async function assertHeldColumns(client: ClientBase, service: string, definition: ServiceDefinition): Promise<void> {
  const wanted = definition.projections
    .flatMap((projection) => (projection.kind === 'handler' ? (projection.holds ?? []) : []))
    .flatMap(({ targetSchema, target, targetColumn, subjectColumn }) =>
      [targetColumn, subjectColumn].map((column) => ({ targetSchema, target, column })),
    )
  if (wanted.length === 0) return
  const { rows } = await client.query<{ name: string }>(
    `SELECT DISTINCT concat_ws('.', w.schema_name, w.table_name, w.column_name) AS name
     FROM unnest($1::text[], $2::text[], $3::text[]) AS w (schema_name, table_name, column_name)
     WHERE NOT EXISTS (
       SELECT FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE n.nspname = w.schema_name AND c.relname = w.table_name AND c.relkind IN ('r', 'p')
         AND a.attname = w.column_name AND a.attnum > 0 AND NOT a.attisdropped)
     ORDER BY 1`,
    [wanted.map((w) => w.targetSchema), wanted.map((w) => w.target), wanted.map((w) => w.column)],
  )
  if (rows.length === 0) return
  throw new SluiceError('SERVICE_NOT_PROVISIONED', {
    what: `the database of service "${service}" lacks columns that its handlers hold`,
    why: `${rows.map((row) => row.name).join(', ')} not found`,
    ways: ['sluice provision', `name the columns in "holds" as the migrations of service "${service}" create them`],
  })
}
