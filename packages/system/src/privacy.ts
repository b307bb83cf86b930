/**
 * What becomes of a captured column before it leaves the reader (promise 10).
 *
 * | rule | captured form |
 * | --- | --- |
 * | `drop()` | none: the column is not captured |
 * | `mask('***')` | the placeholder, or the placeholder and the value's last characters |
 * | `hash()` | HMAC-SHA-256 of PostgreSQL's text, 64 hexadecimal digits; equal values give equal hashes, in every table |
 * | `encrypt({ subject })` | AES-256-GCM under the subject's own key; see `docs/decisions/0012-privacy-at-capture.md` |
 *
 * NULL stays NULL. A captured form is text, in Avro, in mappings and in the services.
 */
import type { ColumnType } from './column-type.ts'

export interface DropRule {
  readonly kind: 'drop'
}

export interface MaskRule {
  readonly kind: 'mask'
  readonly placeholder: string
  /** Characters of the value's end that stay readable behind the placeholder, where the value is longer than that. */
  readonly keepLast: number
}

export interface HashRule {
  readonly kind: 'hash'
}

export interface EncryptRule<Subject extends string = string> {
  readonly kind: 'encrypt'
  /** Column of the same row that names the person whose key is used. */
  readonly subject: Subject
  /** Ids of different kinds never share a key: customer 7 is not supplier 7. */
  readonly subjectKind: string
}

export type PrivacyRule<Column extends string = string> = DropRule | MaskRule | HashRule | EncryptRule<Column>

export type PrivacyRules<Column extends string = string> = { readonly [C in Column]?: PrivacyRule<Column> }

/** Columns that are not captured. */
export type DroppedColumn<Rules> = { [C in keyof Rules & string]-?: Rules[C] extends DropRule ? C : never }[keyof Rules & string]

const DEFAULT_SUBJECT_KIND = 'person'

export function drop(): DropRule {
  return { kind: 'drop' }
}

/** @param options.keepLast Characters of the end that stay readable. @default 0 */
export function mask(placeholder: string, options: { readonly keepLast?: number } = {}): MaskRule {
  return { kind: 'mask', placeholder, keepLast: options.keepLast ?? 0 }
}

export function hash(): HashRule {
  return { kind: 'hash' }
}

/** @param options.kind What the subject column's ids are ids of; the columns of one kind share their keys. @default 'person' */
export function encrypt<const Subject extends string>(options: {
  readonly subject: Subject
  readonly kind?: string
}): EncryptRule<Subject> {
  return { kind: 'encrypt', subject: options.subject, subjectKind: options.kind ?? DEFAULT_SUBJECT_KIND }
}

/** The type of a column's captured form. */
export function capturedType(type: ColumnType, rule: PrivacyRule | undefined): ColumnType {
  if (rule === undefined) return type
  return { sqlType: 'text', avro: { form: 'text' }, isNullable: type.isNullable, isSourceOnly: false }
}
