/**
 * Values that are too large for the topic of their event (decision 0018). The relay stores them before it sends the message that
 * claims them; whoever gets the message reads them here, as a role that sees nothing else.
 */
import { type Claim, SluiceError, type StoredEvent } from '@sluice/core'
import type { ClientBase } from 'pg'

export interface ClaimedValue {
  readonly claim: Claim
  /** PostgreSQL's text, in captured form. */
  readonly text: string
}

/**
 * Stores values of one event. One that a relay stored before it was killed is found again by its id, and must be the same.
 *
 * @param keptUntil How long the topic may hold the message; null if for ever.
 * @throws SluiceError SLU-3104 if another value was stored for the same claim
 */
export async function storeClaims(
  client: ClientBase,
  { eventId, lane, position }: Pick<StoredEvent, 'eventId' | 'lane' | 'position'>,
  values: readonly ClaimedValue[],
  keptUntil: Date | null,
): Promise<void> {
  // One at a time, so that only one is held a second time, in the form that is sent.
  for (const { claim, text } of values) {
    if (await isStored(client, claim, keptUntil)) continue
    const { rowCount } = await client.query(
      `INSERT INTO claims AS c (claim_id, event_id, lane, position, row_image, column_name, bytes, sha256, value, kept_until)
       VALUES ($1, $2, $3, $4, $5, $6, $7, decode($8, 'hex'), $9, $10)
       ON CONFLICT (claim_id) DO UPDATE SET kept_until = EXCLUDED.kept_until WHERE c.sha256 = EXCLUDED.sha256`,
      [
        claim.claimId,
        eventId,
        lane,
        String(position),
        claim.row,
        claim.column,
        claim.bytes,
        claim.sha256,
        text,
        keptUntil?.toISOString() ?? null,
      ],
    )
    if (rowCount !== 1) throw claimDiffers(eventId, claim)
  }
}

/** Asked before the value is sent: a relay that begins a large commit again has most of its claims stored, and comes further each time. */
async function isStored(client: ClientBase, { claimId, sha256 }: Claim, keptUntil: Date | null): Promise<boolean> {
  const { rowCount } = await client.query(
    `UPDATE claims SET kept_until = $3 WHERE claim_id = $1 AND sha256 = decode($2, 'hex')`,
    [claimId, sha256, keptUntil?.toISOString() ?? null],
  )
  return rowCount === 1
}

function claimDiffers(eventId: string, { claimId, column }: Claim): SluiceError {
  return new SluiceError('CLAIM_DIFFERS', {
    what: `the claimed value of column ${column} of event ${eventId} is already stored, and is another one`,
    why: `claim ${claimId} has another SHA-256 in table claims: somebody changed the row, or the stored event`,
    ways: [
      'sluice verify --chain    tells whether stored events were changed',
      `DELETE FROM claims WHERE claim_id = '${claimId}';    if the events are whole: the relay stores it again`,
    ],
  })
}
