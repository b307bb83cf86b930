/** What the application does: each step changes some rows of the monolith, and leaves every foreign key whole. */
import { setTransactionContext, writeOutboxEvent } from '@sluice/outbox'
import {
  type OpportunityReferences,
  apiUsageRow,
  companyRow,
  documentRow,
  opportunityRow,
  proposalRow,
  userRow,
} from '../sample/sample-rows.ts'
import { anyNumeric, arrayText, decimal, longText, sentence } from '../sample/sample-text.ts'
import { PROPOSAL_REVIEW_REQUESTED } from '../services/realtime/proposal-reviews.ts'
import { apiUsage, companies, contractDocuments, opportunities, proposals, users } from '../tables.ts'
import type { WorkloadTransaction } from './transaction.ts'

type Step = (t: WorkloadTransaction) => Promise<void>

const CONTEXT_SHARE = 0.4
const UNDONE_SHARE = 0.1

/** Steps until at least `rows` rows are changed. An empty monolith gets rows first. */
export async function fillTransaction(t: WorkloadTransaction, rows: number): Promise<void> {
  if (t.random.chance(CONTEXT_SHARE)) await nameContext(t)
  // Some steps find nothing to do, so their number is bounded too.
  for (let steps = 0; t.rows < rows && steps < rows * 4; steps += 1) {
    await chooseStep(t)(t)
    if (t.random.chance(UNDONE_SHARE)) await t.undone(() => chooseStep(t)(t))
  }
}

async function nameContext(t: WorkloadTransaction): Promise<void> {
  await setTransactionContext(t.client, {
    correlationId: `request-${t.random.uuid()}`,
    userId: `user-${t.random.between(1, 500)}`,
  })
  t.add({ contextMessages: 1 })
}

/** Weights: about half of the rows are updated, and inserts and deletes keep each other's balance. */
const STEPS: readonly (readonly [weight: number, step: Step])[] = [
  [14, publishOpportunity],
  [24, updateOpportunities],
  [4, rewriteDescription],
  [6, toggleOpportunities],
  [2, awardOpportunity],
  [2, swapNoticeIds],
  [2, deleteOpportunity],
  [12, updateProposals],
  [6, requestReview],
  [4, finishReviews],
  [2, fileProposalAgain],
  [4, deleteProposals],
  [10, processDocuments],
  [6, deleteDocuments],
  [10, recordUsage],
  [4, renumberUsage],
  [8, deleteUsage],
  [8, updateUsers],
  [2, welcomeUser],
  [1, deleteUser],
  [4, updateCompanies],
  [1, welcomeCompany],
]
const TOTAL_WEIGHT = STEPS.reduce((sum, [weight]) => sum + weight, 0)

function chooseStep(t: WorkloadTransaction): Step {
  let left = t.random.fraction() * TOTAL_WEIGHT
  for (const [weight, step] of STEPS) {
    left -= weight
    if (left < 0) return step
  }
  return updateOpportunities
}

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

/** Short columns only: a description out of line is not sent again. */
async function updateOpportunities(t: WorkloadTransaction): Promise<void> {
  await t.update(
    `UPDATE public.opportunities SET status = $2, estimated_value = $3, title = $4, requirements = $5, updated_at = now()
     WHERE id = ANY ($1)`,
    [
      await someIds(t, 'public.opportunities', t.random.between(1, 3)),
      t.random.pick(['forecast', 'open', 'closing', 'closed', 'cancelled']),
      t.random.chance(0.1) ? null : anyNumeric(t.random),
      sentence(t.random, 4, 10),
      arrayText([sentence(t.random, 2, 6)]),
    ],
  )
}

async function rewriteDescription(t: WorkloadTransaction): Promise<void> {
  await t.update('UPDATE public.opportunities SET description = $2, updated_at = now() WHERE id = $1', [
    await oneId(t, 'public.opportunities'),
    longText(t.random),
  ])
}

async function toggleOpportunities(t: WorkloadTransaction): Promise<void> {
  await t.update('UPDATE public.opportunities SET is_active = NOT is_active, updated_at = now() WHERE id = ANY ($1)', [
    await someIds(t, 'public.opportunities', 2),
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

async function updateProposals(t: WorkloadTransaction): Promise<void> {
  await t.update(
    'UPDATE public.proposals SET status = $2, price = $3, win_probability = $4, sections = $5, updated_at = now() WHERE id = ANY ($1)',
    [
      await someIds(t, 'public.proposals', t.random.between(1, 3)),
      t.random.pick(['draft', 'submitted', 'won', 'lost', 'withdrawn']),
      t.random.chance(0.2) ? null : decimal(t.random, 20_000_000, 2),
      t.random.chance(0.05) ? 'NaN' : String(t.random.fraction()),
      JSON.stringify({ executive: sentence(t.random, 5, 15), volumes: [] }),
    ],
  )
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

async function deleteProposals(t: WorkloadTransaction): Promise<void> {
  await t.delete('DELETE FROM public.proposals WHERE id = ANY ($1)', [
    await someIds(t, 'public.proposals', t.random.between(1, 2)),
  ])
}

async function processDocuments(t: WorkloadTransaction): Promise<void> {
  const ids = await someIds(t, 'public.contract_documents', 2)
  if (t.random.chance(0.3)) {
    await t.update(
      'UPDATE public.contract_documents SET content_text = $2, processed_at = now(), confidence = $3 WHERE id = ANY ($1)',
      [ids, t.random.chance(0.2) ? null : longText(t.random), decimal(t.random, 0, 4)],
    )
    return
  }
  await t.update('UPDATE public.contract_documents SET tags = $2, is_public = NOT is_public WHERE id = ANY ($1)', [
    ids,
    arrayText([sentence(t.random, 1, 2), null]),
  ])
}

async function deleteDocuments(t: WorkloadTransaction): Promise<void> {
  await t.delete('DELETE FROM public.contract_documents WHERE id = ANY ($1)', [await someIds(t, 'public.contract_documents', 1)])
}

async function recordUsage(t: WorkloadTransaction): Promise<void> {
  const userId = t.random.chance(0.1) ? null : await oneId(t, 'auth.users')
  for (let rows = t.random.between(1, 4); rows > 0; rows -= 1) {
    await t.insert(apiUsage, apiUsageRow(t.random, { userId, companyId: null }))
  }
}

async function renumberUsage(t: WorkloadTransaction): Promise<void> {
  await t.update(
    `UPDATE public.api_usage SET id = nextval(pg_get_serial_sequence('public.api_usage', 'id')), is_cached = NOT is_cached
     WHERE id = ANY ($1)`,
    [await someUsageIds(t, 1)],
  )
}

async function deleteUsage(t: WorkloadTransaction): Promise<void> {
  await t.delete('DELETE FROM public.api_usage WHERE id = ANY ($1)', [await someUsageIds(t, t.random.between(1, 4))])
}

async function updateUsers(t: WorkloadTransaction): Promise<void> {
  await t.update(
    'UPDATE auth.users SET hourly_rate = $2, preferences = $3, is_active = $4, last_sign_in_at = now() WHERE id = ANY ($1)',
    [
      await someIds(t, 'auth.users', t.random.between(1, 2)),
      t.random.chance(0.2) ? null : decimal(t.random, 400, 2),
      JSON.stringify({ theme: 'dark', name: sentence(t.random, 1, 4) }),
      t.random.chance(0.9),
    ],
  )
}

async function welcomeUser(t: WorkloadTransaction): Promise<void> {
  await t.insert(users, userRow(t.random, t.random.uuid(), t.random.chance(0.2) ? null : await companyOf(t)))
}

async function deleteUser(t: WorkloadTransaction): Promise<void> {
  await t.delete('DELETE FROM auth.users WHERE id = $1', [await oneId(t, 'auth.users')])
}

async function updateCompanies(t: WorkloadTransaction): Promise<void> {
  await t.update(
    'UPDATE public.companies SET employee_count = $2, annual_revenue = $3, is_verified = NOT is_verified, updated_at = now() WHERE id = ANY ($1)',
    [await someIds(t, 'public.companies', t.random.between(1, 2)), t.random.between(1, 50_000), anyNumeric(t.random)],
  )
}

async function welcomeCompany(t: WorkloadTransaction): Promise<void> {
  await t.insert(companies, companyRow(t.random, t.random.uuid()))
}
