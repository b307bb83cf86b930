/**
 * What every table of MedContractHub's services must hold, in SQL written by hand over both sides; nothing is taken from the
 * system's definition. Counters fed by another service's events are compared with that service, see `source`.
 */
import type { TablePair } from './same-rows.ts'

const pair = (service: string, table: string, source: readonly [from: string, row: string], targetRow: string): TablePair => ({
  service,
  table,
  source: `SELECT ${source[1].split(',')[0]}, ROW(${source[1]})::text FROM ${source[0]}`,
  target: `SELECT ${targetRow.split(',')[0]}, ROW(${targetRow})::text FROM ${table}`,
})

export const medcontracthubTables: readonly TablePair[] = [
  pair(
    'ocr',
    'documents',
    [
      'contract_documents',
      'id, opportunity_id, file_name, document_type, ceil(size_bytes / 1024.0)::bigint, sha256, page_count, confidence, tags, metadata, is_public, processing_time, uploaded_at, processed_at',
    ],
    'document_id, opportunity_id, file_name, document_type, size_kib, content_sha256, page_count, confidence, tags, metadata, is_public, processing_time, uploaded_at, processed_at',
  ),
  pair('ocr', 'document_texts', ['contract_documents', 'id, content_text'], 'document_id, body'),
  pair(
    'analytics',
    'opportunity_facts',
    [
      'opportunities',
      `id, notice_type, status, agency, set_aside_type, left(naics_code, 2), award_amount, estimated_value, posted_on,
       date_trunc('month', posted_on)::date, response_deadline, performance_period, created_by, awarded_company_id, created_at`,
    ],
    'opportunity_id, notice_type, status, agency, set_aside_type, naics_sector, award_amount, estimated_value, posted_on, posted_month, response_deadline, performance_period, created_by, company_id, created_at',
  ),
  pair(
    'analytics',
    'proposal_facts',
    [
      'proposals',
      'id, opportunity_id, company_id, status, price, margin, win_probability, milestone_amounts, is_late, submitted_at',
    ],
    'proposal_id, opportunity_id, company_id, status, price, margin, win_probability, milestone_amounts, is_late, submitted_at',
  ),
  pair(
    'analytics',
    'api_usage_events',
    [
      'api_usage',
      'id, user_id, company_id, endpoint, method, status_code, response_time_ms / 1000.0, cost_units, scopes, metadata, client_ip, occurred_at',
    ],
    'usage_id, user_id, company_id, endpoint, method, status_code, response_seconds, cost_units, scopes, metadata, client_ip, occurred_at',
  ),
  pair(
    'analytics',
    'counted_opportunities',
    ['opportunities', 'id, agency, coalesce(award_amount, 0.00)'],
    'opportunity_id, agency, award_amount',
  ),
  pair(
    'analytics',
    'agency_statistics',
    [
      '(SELECT agency, count(*) AS n, sum(coalesce(award_amount, 0.00)) AS amount FROM opportunities GROUP BY agency) AS s',
      'agency, n, amount',
    ],
    'agency, opportunities, awarded_amount',
  ),
  pair(
    'ai',
    'opportunity_texts',
    ['opportunities', 'id, title, description, agency, naics_code, requirements, details, 1'],
    'id, title, description, agency, naics_code, requirements, details, embeddings_version',
  ),
  pair(
    'ai',
    'company_profiles',
    ['companies', 'id, name, description, naics_codes, annual_revenue, address'],
    'id, name, profile, naics_codes, annual_revenue, address',
  ),
  pair(
    'ai',
    'proposal_texts',
    ['proposals', 'id, title, technical_approach, sections'],
    'id, title, technical_approach, sections',
  ),
  pair(
    'realtime',
    'live_opportunities',
    [
      `(SELECT * FROM opportunities WHERE is_active AND status IN ('open', 'closing')) AS o`,
      `id, notice_id, agency, status, CASE WHEN response_deadline = 'infinity' THEN NULL ELSE response_deadline END, updated_at`,
    ],
    'opportunity_id, notice_id, agency, status, closes_at, updated_at',
  ),
  pair(
    'realtime',
    'people',
    ['(SELECT * FROM auth.users WHERE is_active) AS u', 'id, company_id, email, role, last_sign_in_at'],
    'user_id, company_id, email, role, last_sign_in_at',
  ),
  pair('realtime', 'proposal_reviews', ['proposals', 'id, review_requested_at'], 'proposal_id, requested_at'),
  pair(
    'worker',
    'companies',
    ['companies', 'id, name, uei, size, employee_count, website, founded_on, is_verified, created_at'],
    'id, name, uei, size, employee_count, website, founded_on, is_verified, created_at',
  ),
  pair(
    'worker',
    'accounts',
    [
      'auth.users',
      'id, company_id, email, btrim(full_name), biography, hourly_rate, permissions, preferences, avatar_digest, is_active',
    ],
    'id, company_id, email, display_name, biography, hourly_rate, permissions, preferences, avatar_digest, is_active',
  ),
  pair(
    'worker',
    'opportunities',
    ['opportunities', 'id, notice_id, title, is_active, response_deadline, awarded_company_id'],
    'id, notice_id, title, is_active, response_deadline, awarded_company_id',
  ),
  pair(
    'worker',
    'proposals',
    ['proposals', 'id, opportunity_id, company_id, submitted_by, status, price, sections, submitted_at'],
    'id, opportunity_id, company_id, submitted_by, status, price, sections, submitted_at',
  ),
  pair(
    'worker',
    'attachments',
    ['contract_documents', 'id, opportunity_id, proposal_id, file_name, size_bytes'],
    'document_id, opportunity_id, proposal_id, file_name, size_bytes',
  ),
  pair(
    'worker',
    'failed_requests',
    ['(SELECT * FROM api_usage WHERE status_code >= 400) AS a', 'id, endpoint, status_code, request_body, occurred_at'],
    'usage_id, endpoint, status_code, request_body, occurred_at',
  ),
]

/** A table of one service that another service's events build. */
export const medcontracthubAcrossServices = {
  source: 'ocr',
  pair: pair(
    'realtime',
    'document_notices',
    ['(SELECT * FROM document_texts WHERE body IS NOT NULL) AS t', 'document_id, length(body)'],
    'document_id, characters',
  ),
} as const
