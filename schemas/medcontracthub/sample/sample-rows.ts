/** Rows of the monolith's tables. */
import {
  PEOPLE,
  type Random,
  type SampleRow,
  type SampleValue,
  anyNumeric,
  arrayText,
  day,
  decimal,
  instant,
  longText,
  longTextOrNull,
  maybe,
  sentence,
} from '@sluice/workload'

export const AGENCIES = [
  'Department of Veterans Affairs',
  'Department of Health and Human Services',
  'Defense Health Agency',
  'Centers for Disease Control and Prevention',
  'National Institutes of Health',
  'Indian Health Service',
  'Federal Emergency Management Agency',
  'Universitätsspital Zürich',
  '国立感染症研究所',
  'Υπουργείο Υγείας',
] as const

export const NAICS_CODES = ['339112', '339113', '423450', '541380', '541715', '561320', '621111', '622110'] as const

const SCOPES = ['read:opportunities', 'write:proposals', 'read:documents', 'admin', 'größe:"alles"', 'back\\slash'] as const

/** Begins with the part of an id that differs in every row of the sample. */
function distinct(id: string): string {
  return id.replaceAll('-', '').slice(0, 24).toUpperCase()
}

export function companyRow(random: Random, id: string): SampleRow {
  return {
    id,
    name: `${sentence(random, 1, 3)} ${random.pick(['Inc.', 'GmbH', '株式会社', 'S.A.'])}`,
    uei: `U${distinct(id).slice(0, 11)}`,
    description: longText(random),
    size: random.pick(['micro', 'small', 'mid_size', 'large']),
    naics_codes: arrayText(random.some(NAICS_CODES, 4)),
    annual_revenue: maybe(random, () => anyNumeric(random)),
    employee_count: maybe(random, () => String(random.between(1, 50_000))),
    address: JSON.stringify({
      street: sentence(random, 1, 3),
      city: random.pick(['Zürich', '東京', 'Austin']),
      geo: { lat: 47.37, lon: null },
    }),
    website: maybe(random, () => `https://example.com/${id.slice(0, 8)}`),
    founded_on: maybe(random, () => random.pick([day(random), '1899-12-31', 'infinity', '0044-03-15 BC'])),
    is_verified: String(random.chance(0.6)),
    created_at: instant(random),
    updated_at: instant(random),
  }
}

export function userRow(random: Random, id: string, companyId: SampleValue): SampleRow {
  return {
    id,
    company_id: companyId,
    email: `user.${distinct(id).toLowerCase()}@example.com`,
    full_name: random.pick(PEOPLE),
    biography: longTextOrNull(random, 0.2),
    role: random.pick(['viewer', 'analyst', 'bid_manager', 'administrator']),
    hourly_rate: maybe(random, () => decimal(random, 400, 2)),
    permissions: arrayText(random.some(SCOPES, 3)),
    preferences: JSON.stringify({
      theme: random.pick(['dark', 'light']),
      languages: random.some(['de', 'ja', 'el'], 3),
      digest: { hour: 7 },
    }),
    avatar_digest: maybe(random, () => `\\x${random.uuid().replaceAll('-', '')}`),
    is_active: String(random.chance(0.9)),
    last_sign_in_at: maybe(random, () => instant(random)),
    created_at: instant(random),
    updated_at: instant(random),
  }
}

export interface OpportunityReferences {
  readonly createdBy: SampleValue
  readonly awardedCompanyId: SampleValue
}

export function opportunityRow(random: Random, id: string, references: OpportunityReferences): SampleRow {
  const isAwarded = references.awardedCompanyId !== null
  const from = day(random)
  return {
    id,
    notice_id: `MCH-2026-${distinct(id)}`,
    title: sentence(random, 4, 10),
    description: longText(random),
    agency: random.pick(AGENCIES),
    notice_type: random.pick(['presolicitation', 'solicitation', 'combined_synopsis', 'sources_sought', 'award_notice']),
    status: isAwarded ? 'awarded' : random.pick(['forecast', 'open', 'open', 'closing', 'closed', 'cancelled']),
    set_aside_type: maybe(random, () => random.pick(['SBA', '8(a)', 'HUBZone', 'SDVOSB', 'WOSB']), 0.4),
    naics_code: maybe(random, () => random.pick(NAICS_CODES), 0.1),
    award_amount: isAwarded ? decimal(random, 90_000_000, 2) : null,
    estimated_value: maybe(random, () => anyNumeric(random)),
    requirements: arrayText(Array.from({ length: random.between(0, 4) }, () => sentence(random, 2, 6))),
    details: JSON.stringify({
      place: random.pick(['Łódź', '大阪', 'El Paso']),
      contacts: [{ name: random.pick(PEOPLE), phone: null }],
      pages: random.between(1, 90),
    }),
    is_active: String(random.chance(0.85)),
    posted_on: day(random),
    response_deadline: random.chance(0.03) ? 'infinity' : maybe(random, () => instant(random), 0.1),
    performance_period: maybe(random, () => random.pick([`[${from},)`, 'empty', `[${from},2030-01-01)`])),
    created_by: references.createdBy,
    awarded_company_id: references.awardedCompanyId,
    created_at: instant(random),
    updated_at: instant(random),
  }
}

export interface ProposalReferences {
  readonly opportunityId: SampleValue
  readonly companyId: SampleValue
  readonly submittedBy: SampleValue
}

export function proposalRow(random: Random, id: string, references: ProposalReferences): SampleRow {
  return {
    id,
    opportunity_id: references.opportunityId,
    company_id: references.companyId,
    submitted_by: references.submittedBy,
    title: sentence(random, 3, 8),
    technical_approach: longText(random),
    status: random.pick(['draft', 'in_review', 'submitted', 'won', 'lost', 'withdrawn']),
    price: maybe(random, () => decimal(random, 20_000_000, 2)),
    margin: maybe(random, () => anyNumeric(random)),
    win_probability: maybe(random, () =>
      random.chance(0.02) ? random.pick(['NaN', '-Infinity', '1e-300']) : String(random.fraction()),
    ),
    milestone_amounts: arrayText(
      Array.from({ length: random.between(0, 4) }, () => maybe(random, () => decimal(random, 900_000, 2), 0.1)),
    ),
    sections: JSON.stringify({
      executive: sentence(random, 5, 15),
      volumes: [
        { n: 1, title: 'Price' },
        { n: 2, title: null },
      ],
    }),
    is_late: String(random.chance(0.1)),
    submitted_at: maybe(random, () => instant(random), 0.4),
    review_requested_at: null,
    created_at: instant(random),
    updated_at: instant(random),
  }
}

export interface DocumentReferences {
  readonly opportunityId: SampleValue
  readonly proposalId: SampleValue
}

export function documentRow(random: Random, id: string, references: DocumentReferences): SampleRow {
  const content = longTextOrNull(random, 0.2)
  const isProcessed = content !== null
  return {
    id,
    opportunity_id: references.opportunityId,
    proposal_id: references.proposalId,
    file_name: `${sentence(random, 1, 3)}.pdf`,
    document_type: random.pick(['statement_of_work', 'amendment', 'pricing', 'certificate', 'correspondence']),
    content_text: content,
    size_bytes: String(random.between(0, 2_000_000_000) * 3),
    sha256: `\\x${random.uuid().replaceAll('-', '')}${random.uuid().replaceAll('-', '')}`,
    page_count: maybe(random, () => String(random.between(1, 900))),
    confidence: isProcessed ? decimal(random, 0, 4) : null,
    tags: arrayText(random.some(['urgent', 'signé', '契約', 'with "quotes"', 'a,b', '{}'], 4)),
    metadata: JSON.stringify({ author: random.pick(PEOPLE), versions: [1, 2, { draft: true }], source: null }),
    is_public: String(random.chance(0.3)),
    processing_time: isProcessed ? `${random.between(0, 90)} seconds ${random.between(0, 999)} milliseconds` : null,
    uploaded_at: instant(random),
    processed_at: isProcessed ? instant(random) : null,
  }
}

export interface ApiUsageReferences {
  readonly userId: SampleValue
  readonly companyId: SampleValue
}

/** Without its id, which the table's sequence gives. */
export function apiUsageRow(random: Random, references: ApiUsageReferences): SampleRow {
  return {
    user_id: references.userId,
    company_id: references.companyId,
    endpoint: random.pick(['/opportunities', '/opportunities/{id}', '/proposals', '/documents/{id}/text', '/search?q=größe']),
    method: random.pick(['GET', 'GET', 'GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
    status_code: random.pick(['200', '200', '200', '201', '304', '400', '404', '429', '500']),
    response_time_ms: String(random.between(1, 9_000)),
    cost_units: decimal(random, 50, 4),
    scopes: arrayText(random.some(SCOPES, 3)),
    request_body: longTextOrNull(random, 0.5),
    metadata: JSON.stringify({ agent: 'MedContractHub/2.4', retries: random.between(0, 3), tags: [] }),
    is_cached: String(random.chance(0.25)),
    client_ip: maybe(random, () => random.pick(['10.0.0.7', '192.168.0.0/24', '2001:db8::1']), 0.1),
    occurred_at: instant(random),
  }
}
