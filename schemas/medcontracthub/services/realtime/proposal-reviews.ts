/**
 * Which proposals wait for a review. The request itself is an event of the monolith's application, written into its outbox
 * together with `proposals.review_requested_at`; the table's events say which proposals there are, and when a request is over.
 */
import { type ProjectedEvent, type ProjectionTransaction, handler } from '@sluice/system'
import { proposals } from '../../tables.ts'
import { parsePayload } from './payload.ts'

export const PROPOSAL_REVIEW_REQUESTED = 'ProposalReviewRequested'

export const proposalReviews = handler('proposal-reviews', {
  tables: [proposals],
  eventTypes: [PROPOSAL_REVIEW_REQUESTED],
  expectations: [
    {
      targetSchema: 'public',
      target: 'proposal_reviews',
      key: ['proposal_id'],
      columns: ['proposal_id', 'requested_at'],
      query: 'SELECT id AS proposal_id, review_requested_at AS requested_at FROM public.proposals',
    },
  ],
  apply: async (event, transaction) => {
    switch (event.op) {
      case 'e':
        return recordRequest(event, transaction)
      case 't':
        await transaction.query('DELETE FROM proposal_reviews')
        return
      case 'd':
        await transaction.query('DELETE FROM proposal_reviews WHERE proposal_id = $1::uuid', [event.before?.['id']])
        return
      case 'c':
      case 'r':
        await transaction.query(
          `INSERT INTO proposal_reviews (proposal_id, requested_at) VALUES ($1::uuid, $2::timestamptz)
           ON CONFLICT (proposal_id) DO UPDATE SET requested_at = excluded.requested_at`,
          [event.after?.['id'], event.after?.['review_requested_at']],
        )
        return
      case 'u':
        return followProposal(event, transaction)
    }
  },
})

async function recordRequest(event: ProjectedEvent, transaction: ProjectionTransaction): Promise<void> {
  const { proposalId, requestedAt } = parsePayload(event, { proposalId: 'string', requestedAt: 'string' })
  await transaction.query('UPDATE proposal_reviews SET requested_at = $2::timestamptz WHERE proposal_id = $1::uuid', [
    proposalId,
    requestedAt,
  ])
}

async function followProposal(event: ProjectedEvent, transaction: ProjectionTransaction): Promise<void> {
  const present = event.after?.['id']
  const former = event.before?.['id'] ?? present
  if (former !== present) {
    await transaction.query('UPDATE proposal_reviews SET proposal_id = $2::uuid WHERE proposal_id = $1::uuid', [former, present])
  }
  // A request that begins is the application's event to tell; one that is over is only in the table.
  if (event.after?.['review_requested_at'] === null) {
    await transaction.query(
      'UPDATE proposal_reviews SET requested_at = NULL WHERE proposal_id = $1::uuid AND requested_at IS NOT NULL',
      [present],
    )
  }
}
