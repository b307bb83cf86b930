/** A subject: the person whose columns are encrypted with a key of their own. */
import type { SystemKeys } from './system-secret.ts'
import { textHash } from './text-hash.ts'

/** Hexadecimal digits of a subject's id: 128 bits. */
export const SUBJECT_ID_DIGITS = 32

/** Text that a subject's id is the keyed hash of. No kind holds a slash. */
export function subjectText(kind: string, subject: string): string {
  return `${kind}/${subject}`
}

/**
 * Id of a subject, which tells nobody who it is.
 *
 * @param subject Captured form of the subject column: PostgreSQL's text, or its hash where the column is hashed.
 */
export function subjectIdOf(keys: SystemKeys, kind: string, subject: string): string {
  return textHash(keys.subject, subjectText(kind, subject)).slice(0, SUBJECT_ID_DIGITS)
}
