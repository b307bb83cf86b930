/**
 * What a service holds of a private column, as SQL over the source: for comparing both without the values leaving the source. The
 * keys come as settings of the session, so that no statement text shows them.
 */
import { quoteIdentifier, quoteLiteral } from '@sluice/core'
import type { CapturedTable, EncryptRule, MaskRule } from '@sluice/system'
import type { ClientBase } from 'pg'
import { SUBJECT_ID_DIGITS } from './subject.ts'
import type { SystemKeys } from './system-secret.ts'
import { hmacBlocks, textHashSql } from './text-hash.ts'

/** Granted columns of a service's table to their placeholders. */
export type Grants = ReadonlyMap<string, string | null>

/** Gives a session what the SQL of this module asks for, until its transaction ends. */
export async function setCaptureKeys(client: ClientBase, keys: SystemKeys, erased: ReadonlySet<string>): Promise<void> {
  const [hash, subject] = [hmacBlocks(keys.hash), hmacBlocks(keys.subject)]
  await client.query(
    `SELECT set_config('sluice.hash_inner', $1, true), set_config('sluice.hash_outer', $2, true),
       set_config('sluice.subject_inner', $3, true), set_config('sluice.subject_outer', $4, true),
       set_config('sluice.erased_subjects', $5, true)`,
    [...[hash.inner, hash.outer, subject.inner, subject.outer].map((block) => block.toString('hex')), [...erased].join(',')],
  )
}

/**
 * SQL of what a service holds of a column.
 *
 * @param alias Of the source's table in the query.
 * @returns null where no SQL gives it: an encrypted column that the service is not granted
 */
export function capturedSql(table: CapturedTable, column: string, grants: Grants, alias: string): string | null {
  const rule = table.privacy[column]
  const plain = `${alias}.${quoteIdentifier(column)}`
  const type = table.sourceColumns[column]!
  const value = type.isSourceOnly ? `${plain}::text` : plain
  switch (rule?.kind) {
    case undefined:
    case 'drop':
      return value
    case 'mask':
      return maskSql(rule, `${plain}::text`)
    case 'hash':
      return keyedHashSql('hash', `${plain}::text`)
    case 'encrypt': {
      if (!grants.has(column)) return null
      const placeholder = grants.get(column) ?? null
      const literal = placeholder === null ? 'NULL' : quoteLiteral(placeholder)
      return `CASE WHEN ${plain} IS NOT NULL AND ${isErasedSql(table, rule, alias)} THEN ${literal}::${type.isSourceOnly ? 'text' : type.sqlType} ELSE ${value} END`
    }
  }
}

/** True for a row whose subject is erased. */
export function isErasedSql(table: CapturedTable, { subject, subjectKind }: EncryptRule, alias: string): string {
  return isErasedSubjectSql(subjectKind, capturedSql(table, subject, new Map(), alias)!)
}

/** @param captured SQL of a subject column's captured form. */
export function isErasedSubjectSql(subjectKind: string, captured: string): string {
  const id = `left(${keyedHashSql('subject', `${quoteLiteral(`${subjectKind}/`)} || (${captured})::text`)}, ${SUBJECT_ID_DIGITS})`
  return `${id} IN (SELECT unnest(string_to_array(current_setting('sluice.erased_subjects'), ',')))`
}

function maskSql({ placeholder, keepLast }: MaskRule, text: string): string {
  const literal = quoteLiteral(placeholder)
  return `CASE WHEN ${text} IS NULL THEN NULL WHEN char_length(${text}) > ${keepLast} THEN ${literal} || right(${text}, ${keepLast}) ELSE ${literal} END`
}

/** The settings are read once a query, not once a row. */
function keyedHashSql(key: 'hash' | 'subject', text: string): string {
  const block = (side: string): string => `(SELECT decode(current_setting('sluice.${key}_${side}'), 'hex'))`
  return textHashSql(text, block('inner'), block('outer'))
}
