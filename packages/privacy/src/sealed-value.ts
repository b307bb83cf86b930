/**
 * Captured form of an encrypted column, as text:
 *
 *   sluice:sealed:1:<subject id>:<base64 of nonce, ciphertext, tag>
 *   sluice:erased:1:<subject id>                 a value that came after its subject was erased
 *
 * Every value of such a column but NULL has one of the two forms, so that neither can be mistaken for a value.
 */
import type { KeyObject } from 'node:crypto'
import { SluiceError } from '@sluice/core'
import { openBytes, sealBytes } from './aes-gcm.ts'
import { SUBJECT_ID_DIGITS } from './subject.ts'

const SEALED = 'sluice:sealed:1:'
const ERASED = 'sluice:erased:1:'
const SUBJECT_ID = new RegExp(`^[0-9a-f]{${SUBJECT_ID_DIGITS}}$`)

export type CapturedValue =
  | { readonly kind: 'sealed'; readonly subjectId: string; readonly bytes: Buffer }
  | { readonly kind: 'erased'; readonly subjectId: string }

/** @param place `schema.table.column`; a value does not open in another column */
export function sealValue(key: KeyObject, subjectId: string, place: string, text: string): string {
  return `${SEALED}${subjectId}:${sealBytes(key, Buffer.from(text), place).toString('base64')}`
}

export function erasedValue(subjectId: string): string {
  return `${ERASED}${subjectId}`
}

/** @throws SluiceError SLU-8002 if the text is neither form */
export function parseCapturedValue(text: string, place: string): CapturedValue {
  if (text.startsWith(SEALED)) {
    const at = SEALED.length + SUBJECT_ID_DIGITS
    const subjectId = text.slice(SEALED.length, at)
    if (text[at] === ':' && SUBJECT_ID.test(subjectId)) {
      return { kind: 'sealed', subjectId, bytes: Buffer.from(text.slice(at + 1), 'base64') }
    }
  }
  if (text.startsWith(ERASED) && SUBJECT_ID.test(text.slice(ERASED.length))) {
    return { kind: 'erased', subjectId: text.slice(ERASED.length) }
  }
  throw damaged(place, 'it has none of the known forms')
}

/** @throws SluiceError SLU-8002 if it was changed, or sealed for another subject or column */
export function openValue(key: KeyObject, bytes: Buffer, place: string): string {
  try {
    return openBytes(key, bytes, place).toString('utf8')
  } catch (cause) {
    throw damaged(place, "it does not open with its subject's key: it was changed, or moved from another column", cause)
  }
}

function damaged(place: string, why: string, cause?: unknown): SluiceError {
  return new SluiceError('SEALED_VALUE_DAMAGED', {
    what: `an encrypted value of ${place} can not be read`,
    why,
    ways: ['sluice verify --chain    finds the first stored event that was changed'],
    cause,
  })
}
