/**
 * What a rule makes of a value, synchronously, while a row becomes JSON text.
 *
 * A value that is to be encrypted waits for its subject's key, which the stream's handler can not: it goes into the row's JSON
 * text as an *unsealed token* between NUL characters, which neither JSON nor PostgreSQL's text can hold. `seal-texts.ts` takes
 * the tokens out before anything is stored; a text in which one was left would be refused by PostgreSQL.
 */
import { type CapturedTable, type MaskRule, qualifiedName } from '@sluice/system'
import type { SystemKeys } from './system-secret.ts'
import { textHash } from './text-hash.ts'

export const TOKEN_MARK = '\0'

export type ColumnCapture =
  /** The captured form follows from the value. */
  | { readonly kind: 'text'; readonly capture: (text: string) => string }
  /** The captured form needs a key: `token` gives the unsealed token from the value and its row's subject. */
  | { readonly kind: 'token'; readonly subject: string; readonly token: (text: string, subject: string) => string }

/**
 * @param keys Null if no column of the lane is hashed or encrypted.
 * @returns null for a column that is captured in the clear
 */
export function columnCapture(table: CapturedTable, column: string, keys: SystemKeys | null): ColumnCapture | null {
  const rule = table.privacy[column]
  switch (rule?.kind) {
    case undefined:
    case 'drop':
      return null
    case 'mask':
      return { kind: 'text', capture: (text) => maskText(rule, text) }
    case 'hash': {
      const { hash } = needed(keys)
      return { kind: 'text', capture: (text) => textHash(hash, text) }
    }
    case 'encrypt': {
      needed(keys)
      const { subject, subjectKind } = rule
      const place = `${qualifiedName(table)}.${column}`
      // The subject's id is made from what the column holds when it is captured.
      const ofSubject = columnCapture(table, subject, keys)
      const form = ofSubject?.kind === 'text' ? ofSubject.capture : (text: string) => text
      const head = `${TOKEN_MARK}${place}${TOKEN_MARK}${subjectKind}${TOKEN_MARK}`
      return { kind: 'token', subject, token: (text, of) => `${head}${form(of)}${TOKEN_MARK}${text}${TOKEN_MARK}` }
    }
  }
}

/** The placeholder, and the last characters of a value that is longer than those. */
export function maskText({ placeholder, keepLast }: MaskRule, text: string): string {
  if (keepLast === 0) return placeholder
  const characters = Array.from(text)
  return characters.length > keepLast ? placeholder + characters.slice(-keepLast).join('') : placeholder
}

function needed(keys: SystemKeys | null): SystemKeys {
  if (keys === null) throw new Error('a column is hashed or encrypted, and the keys were not read')
  return keys
}
