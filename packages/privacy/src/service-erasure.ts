/**
 * An erasure in a service database: remembered in `erased_subjects`, and every granted clear value of the subject overwritten with
 * its declared placeholder, in one transaction.
 *
 * E1  The table's lock waits for every projector transaction that opened values before, and holds up those that come after until
 *     the erasure is committed: so no value that was opened before can be written after.
 * E2  Done again it leaves the same.
 */
import { quoteIdentifier, quoteQualified } from '@sluice/core'
import { type ClearColumn, type ServiceDefinition, clearColumnsOf } from '@sluice/system'
import type { ClientBase } from 'pg'
import { SUBJECT_ID_DIGITS } from './subject.ts'
import type { SystemKeys } from './system-secret.ts'
import { hmacBlocks, textHashSql } from './text-hash.ts'

/** Values of one column that an erasure overwrites; done again, the placeholders that stand there. */
export interface OverwrittenColumn {
  /** `schema.table.column` */
  readonly column: string
  readonly values: number
}

/** @returns what was overwritten, a column each */
export async function eraseInService(
  client: ClientBase,
  service: ServiceDefinition,
  keys: SystemKeys,
  subjectIds: readonly string[],
): Promise<readonly OverwrittenColumn[]> {
  await client.query('BEGIN')
  try {
    await client.query('LOCK TABLE public.erased_subjects IN ACCESS EXCLUSIVE MODE')
    await client.query(
      `INSERT INTO public.erased_subjects (system_name, subject_id) SELECT $1, id FROM unnest($2::text[]) AS e (id)
       ON CONFLICT DO NOTHING`,
      [keys.system, subjectIds],
    )
    const overwritten: OverwrittenColumn[] = []
    for (const clear of clearColumnsOf(service)) {
      const { rowCount } = await client.query(
        `UPDATE ${tableOf(clear)} SET ${quoteIdentifier(clear.column)} = $5 WHERE ${isClearOfSubject(clear)}`,
        [...parametersOf(keys, clear, subjectIds), clear.placeholder],
      )
      overwritten.push({ column: columnOf(clear), values: rowCount ?? 0 })
    }
    await client.query('COMMIT')
    return overwritten
  } catch (error) {
    // The caller ends the connection, which may be what broke.
    await client.query('ROLLBACK').catch(() => undefined)
    throw error
  }
}

/** What `eraseInService` would overwrite. */
export async function clearValuesOf(
  client: ClientBase,
  service: ServiceDefinition,
  keys: SystemKeys,
  subjectIds: readonly string[],
): Promise<readonly OverwrittenColumn[]> {
  const found: OverwrittenColumn[] = []
  for (const clear of clearColumnsOf(service)) {
    const { rows } = await client.query<{ values: number }>(
      `SELECT count(*)::float8 AS values FROM ${tableOf(clear)} WHERE ${isClearOfSubject(clear)}`,
      parametersOf(keys, clear, subjectIds),
    )
    found.push({ column: columnOf(clear), values: rows[0]?.values ?? 0 })
  }
  return found
}

/** Erased subjects that a service database remembers. */
export async function erasedInService(client: ClientBase, system: string): Promise<ReadonlySet<string>> {
  const { rows } = await client.query<{ subject_id: string }>(
    'SELECT subject_id FROM public.erased_subjects WHERE system_name = $1',
    [system],
  )
  return new Set(rows.map((row) => row.subject_id))
}

/** Parameters: the subjects' ids, the blocks of the keyed hash, the kind. NULL stays NULL, as it does on its way. */
function isClearOfSubject({ column, subjectColumn }: ClearColumn): string {
  const id = textHashSql(`$4::text || '/' || ${quoteIdentifier(subjectColumn)}::text`, '$2::bytea', '$3::bytea')
  return `left(${id}, ${SUBJECT_ID_DIGITS}) = ANY ($1::text[]) AND ${quoteIdentifier(column)} IS NOT NULL`
}

function parametersOf(keys: SystemKeys, { subjectKind }: ClearColumn, subjectIds: readonly string[]): unknown[] {
  const { inner, outer } = hmacBlocks(keys.subject)
  return [subjectIds, inner, outer, subjectKind]
}

function tableOf({ targetSchema, target }: ClearColumn): string {
  return quoteQualified(targetSchema, target)
}

function columnOf({ targetSchema, target, column }: ClearColumn): string {
  return `${targetSchema}.${target}.${column}`
}
