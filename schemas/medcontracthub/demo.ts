/** Sample data of the platform, and a workload that does what its application does. */
import { anyNumeric, arrayText, decimal, longText, optional, sampleTable, sentence, systemDemo } from '@sluice/workload'
import { apiUsageRow, companyRow, documentRow, opportunityRow, proposalRow, userRow } from './sample/sample-rows.ts'
import system from './system.ts'
import * as tables from './tables.ts'
import { STEPS } from './sample/application-steps.ts'

const companies = sampleTable(tables.companies, {
  share: 2,
  row: (random) => companyRow(random, random.uuid()),
  change: (random) => ({
    employee_count: random.between(1, 50_000),
    annual_revenue: anyNumeric(random),
    is_verified: random.chance(0.6),
  }),
  isNeverDeleted: true,
})

const users = sampleTable(tables.users, {
  share: 1,
  parents: { company: optional(companies, 0.1) },
  row: (random, _n, { company }) => userRow(random, random.uuid(), company?.id ?? null),
  change: (random) => ({
    hourly_rate: random.chance(0.2) ? null : decimal(random, 400, 2),
    preferences: JSON.stringify({ theme: 'dark', name: sentence(random, 1, 4) }),
    is_active: random.chance(0.9),
  }),
})

const opportunities = sampleTable(tables.opportunities, {
  share: 10,
  parents: { creator: optional(users, 0.2), winner: optional(companies, 0.8) },
  row: (random, _n, { creator, winner }) =>
    opportunityRow(random, random.uuid(), { createdBy: creator?.id ?? null, awardedCompanyId: winner?.id ?? null }),
  // Short columns only: a description out of line is not sent again.
  change: (random) => ({
    status: random.pick(['forecast', 'open', 'closing', 'closed', 'cancelled']),
    is_active: random.chance(0.5),
    estimated_value: random.chance(0.1) ? null : anyNumeric(random),
    title: sentence(random, 4, 10),
    requirements: arrayText([sentence(random, 2, 6)]),
  }),
})

const proposals = sampleTable(tables.proposals, {
  share: 5,
  parents: { opportunity: opportunities, company: companies, submitter: optional(users, 0.1) },
  row: (random, _n, { opportunity, company, submitter }) =>
    proposalRow(random, random.uuid(), {
      opportunityId: opportunity.id,
      companyId: company.id,
      submittedBy: submitter?.id ?? null,
    }),
  change: (random) => ({
    status: random.pick(['draft', 'submitted', 'won', 'lost', 'withdrawn']),
    price: random.chance(0.2) ? null : decimal(random, 20_000_000, 2),
    win_probability: random.chance(0.05) ? 'NaN' : random.fraction(),
    sections: JSON.stringify({ executive: sentence(random, 5, 15), volumes: [] }),
  }),
})

const documents = sampleTable(tables.contractDocuments, {
  share: 5,
  parents: { opportunity: opportunities, proposal: optional(proposals, 0.5) },
  row: (random, _n, { opportunity, proposal }) =>
    documentRow(random, random.uuid(), { opportunityId: opportunity.id, proposalId: proposal?.id ?? null }),
  change: (random) => ({
    ...(random.chance(0.3) ? { content_text: random.chance(0.2) ? null : longText(random) } : {}),
    confidence: decimal(random, 0, 4),
    tags: arrayText([sentence(random, 1, 2), null]),
    is_public: random.chance(0.5),
  }),
})

const apiUsage = sampleTable(tables.apiUsage, {
  share: 10,
  parents: { user: optional(users, 0.1), company: optional(companies, 0.1) },
  row: (random, _n, { user, company }) => apiUsageRow(random, { userId: user?.id ?? null, companyId: company?.id ?? null }),
  change: (random) => ({ is_cached: random.chance(0.5), response_time_ms: random.between(1, 9_000) }),
})

export default systemDemo({ system, tables: [companies, users, opportunities, proposals, documents, apiUsage], steps: STEPS })
