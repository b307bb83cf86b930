/** What the application does beside changing single tables: each step leaves every foreign key whole. */
import { writeOutboxEvent } from '@sluice/outbox'
import { type WeightedStep, type WorkloadTransaction, decimal, longText } from '@sluice/workload'
import { PROPOSAL_REVIEW_REQUESTED } from '../services/realtime/proposal-reviews.ts'
import { companies, contractDocuments, opportunities, proposals } from '../tables.ts'
import { type OpportunityReferences, companyRow, documentRow, opportunityRow, proposalRow } from './sample-rows.ts'

export const STEPS: readonly WeightedStep[] = [
  [14, publishOpportunity],
  [4, rewriteDescription],
  [2, awardOpportunity],
  [2, swapNoticeIds],
  [2, deleteOpportunity],
  [6, requestReview],
  [4, finishReviews],
  [2, fileProposalAgain],
  [4, renumberUsage],
]

/** Up to `count` ids of a table, from a random place on. */
async function someIds(t: WorkloadTransaction, table: string, count: number): Promise<readonly string[]> {
  const { rows } = await t.client.query<{ id: string }>(`SELECT id FROM ${table} WHERE id >= $1 ORDER BY id LIMIT $2`, [
    t.random.uuid(),
    count,
  ])
  if (rows.length > 0) return rows.map((r) => r.id)
  const first = await t.client.query<{ id: string }>(`SELECT id FROM ${table} ORDER BY id LIMIT $1`, [count])
  return first.rows.map((r) => r.id)
}

async function oneId(t: WorkloadTransaction, table: string): Promise<string | null> {
  return (await someIds(t, table, 1))[0] ?? null
}

async function someUsageIds(t: WorkloadTransaction, count: number): Promise<readonly string[]> {
  const { rows } = await t.client.query<{ id: string }>(
    `SELECT id FROM public.api_usage
     WHERE id >= (SELECT (max(id) * $1::double precision)::bigint FROM public.api_usage) ORDER BY id LIMIT $2`,
    [t.random.fraction(), count],
  )
  return rows.map((r) => r.id)
}

async function companyOf(t: WorkloadTransaction): Promise<string> {
  const existing = await oneId(t, 'public.companies')
  if (existing !== null) return existing
  const id = t.random.uuid()
  await t.insert(companies, companyRow(t.random, id))
  return id
}

/** An opportunity with what belongs to it, in one transaction. */
async function publishOpportunity(t: WorkloadTransaction): Promise<void> {
  const id = t.random.uuid()
  const references: OpportunityReferences = {
    createdBy: t.random.chance(0.2) ? null : await oneId(t, 'auth.users'),
    awardedCompanyId: null,
  }
  await t.insert(opportunities, opportunityRow(t.random, id, references))
  if (t.random.chance(0.5)) await proposeFor(t, id)
}

async function proposeFor(t: WorkloadTransaction, opportunityId: string): Promise<void> {
  const proposalId = t.random.uuid()
  const submittedBy = t.random.chance(0.1) ? null : await oneId(t, 'auth.users')
  await t.insert(proposals, proposalRow(t.random, proposalId, { opportunityId, companyId: await companyOf(t), submittedBy }))
  const references = { opportunityId, proposalId: t.random.chance(0.3) ? null : proposalId }
  await t.insert(contractDocuments, documentRow(t.random, t.random.uuid(), references))
}

async function rewriteDescription(t: WorkloadTransaction): Promise<void> {
  await t.update('UPDATE public.opportunities SET description = $2, updated_at = now() WHERE id = $1', [
    await oneId(t, 'public.opportunities'),
    longText(t.random),
  ])
}

async function awardOpportunity(t: WorkloadTransaction): Promise<void> {
  await t.update(
    `UPDATE public.opportunities SET status = 'awarded', award_amount = $2, awarded_company_id = $3, agency = $4 WHERE id = $1`,
    [
      await oneId(t, 'public.opportunities'),
      decimal(t.random, 90_000_000, 2),
      await companyOf(t),
      t.random.pick(['Department of Veterans Affairs', 'Indian Health Service', 'Universitätsspital Zürich']),
    ],
  )
}

/** Two unique values change places, each step legal by itself. */
async function swapNoticeIds(t: WorkloadTransaction): Promise<void> {
  const { rows } = await t.client.query<{ id: string; notice_id: string }>(
    'SELECT id, notice_id FROM public.opportunities WHERE id = ANY ($1) ORDER BY id FOR UPDATE',
    [await someIds(t, 'public.opportunities', 2)],
  )
  const [one, other] = rows
  if (!one || !other) return
  const set = 'UPDATE public.opportunities SET notice_id = $2 WHERE id = $1'
  await t.update(set, [one.id, `SWAP-${t.random.uuid().slice(0, 30)}`])
  await t.update(set, [other.id, one.notice_id])
  await t.update(set, [one.id, other.notice_id])
}

async function deleteOpportunity(t: WorkloadTransaction): Promise<void> {
  const id = await oneId(t, 'public.opportunities')
  // A document of one opportunity may belong to a proposal of another: that one is set to NULL by its foreign key.
  await t.delete('DELETE FROM public.contract_documents WHERE opportunity_id = $1', [id])
  await t.delete('DELETE FROM public.proposals WHERE opportunity_id = $1', [id])
  await t.delete('DELETE FROM public.opportunities WHERE id = $1', [id])
}

/** The request is an event of the application, written together with the row that it is about. */
async function requestReview(t: WorkloadTransaction): Promise<void> {
  const [proposal] = await t.update(
    `UPDATE public.proposals SET status = 'in_review', review_requested_at = now() WHERE id = $1
     RETURNING id::text, review_requested_at::text AS requested_at`,
    [await oneId(t, 'public.proposals')],
  )
  if (proposal === undefined) return
  const proposalId = String(proposal['id'])
  await writeOutboxEvent(
    t.client,
    {
      aggregateType: 'ProposalReview',
      aggregateId: proposalId,
      eventType: PROPOSAL_REVIEW_REQUESTED,
      payload: { proposalId, requestedAt: String(proposal['requested_at']) },
      id: t.random.uuid(),
    },
    { deleteRow: t.random.chance(0.5) },
  )
  t.add({ outboxEvents: 1 })
}

async function finishReviews(t: WorkloadTransaction): Promise<void> {
  await t.update(`UPDATE public.proposals SET status = 'submitted', review_requested_at = NULL WHERE id = ANY ($1)`, [
    await someIds(t, 'public.proposals', 4),
  ])
}

/** The key changes, and the documents follow by their foreign key. */
async function fileProposalAgain(t: WorkloadTransaction): Promise<void> {
  await t.update('UPDATE public.proposals SET id = $2, updated_at = now() WHERE id = $1', [
    await oneId(t, 'public.proposals'),
    t.random.uuid(),
  ])
}

async function renumberUsage(t: WorkloadTransaction): Promise<void> {
  await t.update(
    `UPDATE public.api_usage SET id = nextval(pg_get_serial_sequence('public.api_usage', 'id')), is_cached = NOT is_cached
     WHERE id = ANY ($1)`,
    [await someUsageIds(t, 1)],
  )
}
