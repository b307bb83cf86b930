/**
 * How a subscriber gets the values that its message was too small for: they are in table `claims` of Sluice's pipeline database, which a
 * login that is a member of role `sluice_claims` may read, and nothing else there.
 */
import { createHash } from 'node:crypto'
import type pg from 'pg'

/** As it is in the field `claims` of an event; null there in nearly every event. */
export interface Claim {
  readonly claim_id: string
  /** The image of the row whose column is `Unavailable` in the message. */
  readonly row: 'before' | 'after'
  readonly column: string
  /** Of the value's text in UTF-8. */
  readonly bytes: number
  readonly sha256: string
}

/**
 * Reads claimed values: PostgreSQL's text of each, by claim id. A bytea is `\x` and hexadecimal digits.
 *
 * @param pipeline The primary: the value is there before the message is.
 * @throws Error if a value is missing or is not what was claimed
 */
export async function claimedValues(pipeline: pg.ClientBase, claims: readonly Claim[]): Promise<ReadonlyMap<string, string>> {
  const { rows } = await pipeline.query<{ id: string; value: string }>(
    'SELECT claim_id::text AS id, value FROM claims WHERE claim_id = ANY ($1::uuid[])',
    [claims.map((claim) => claim.claim_id)],
  )
  const values = new Map(rows.map((row) => [row.id, row.value]))
  for (const { claim_id, column, bytes, sha256 } of claims) {
    const text = values.get(claim_id)
    const isWhole =
      text !== undefined && Buffer.byteLength(text) === bytes && createHash('sha256').update(text).digest('hex') === sha256
    if (!isWhole) throw new Error(`claim ${claim_id} of column ${column} can not be had`)
  }
  return values
}
