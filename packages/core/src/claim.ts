/**
 * The claim check: a value that makes its message too large for the topic lies in the pipeline database, and the message carries a
 * claim for it. The column itself is unavailable in the message, so that nobody takes it for NULL.
 */
import { hash } from 'node:crypto'
import { type Uuid, namespaceBytes, uuidV5 } from './change-identity.ts'

/** The role that may read claims, and nothing else of the pipeline database; made by the store's migrations. */
export const CLAIM_READER_ROLE = 'sluice_claims'

/** Which image of the row a value belongs to. */
export const CLAIMED_ROWS = ['before', 'after'] as const
export type ClaimedRow = (typeof CLAIMED_ROWS)[number]

export interface Claim {
  /** UUIDv5 of event, row and column: the same value of the same event has the same claim, whoever publishes it. */
  readonly claimId: string
  readonly row: ClaimedRow
  readonly column: string
  /** Of the value's text in UTF-8. */
  readonly bytes: number
  /** Hex, over the same bytes. */
  readonly sha256: string
}

export function claimIdOf(eventId: string, row: ClaimedRow, column: string): Uuid {
  return uuidV5(namespaceBytes(eventId), `${row}.${column}`)
}

/** The claim for a value, which is PostgreSQL's text in captured form. */
export function claimOf(eventId: string, row: ClaimedRow, column: string, text: string): Claim {
  return { claimId: claimIdOf(eventId, row, column), row, column, bytes: Buffer.byteLength(text), sha256: textSha256(text) }
}

/** True if a text is what was claimed. */
export function isClaimed({ bytes, sha256 }: Claim, text: string): boolean {
  return Buffer.byteLength(text) === bytes && textSha256(text) === sha256
}

/** SHA-256 of a text's UTF-8 bytes, in hex. */
export function textSha256(text: string): string {
  return hash('sha256', text, 'hex')
}
