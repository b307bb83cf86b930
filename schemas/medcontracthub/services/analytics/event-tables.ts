/** Events of opportunities and of the API in ClickHouse: a row each. The store holds the last 90 days of what was there before. */
import { clickhouseEvents } from '@sluice/system'
import { apiUsage, opportunities } from '../../tables.ts'

export const opportunityEvents = clickhouseEvents(opportunities, {
  into: 'opportunity_events',
  structure: new URL('./clickhouse/opportunity_events.sql', import.meta.url),
  columns: (c, e) => ({
    opportunity_id: c.id,
    event_type: e.eventType,
    notice_type: c.notice_type,
    agency: c.agency,
    set_aside_type: c.set_aside_type,
    naics_code: c.naics_code,
    award_amount: c.award_amount,
    response_deadline_text: c.response_deadline,
    created_at: c.created_at,
    user_id: e.userUuid,
    company_id: c.awarded_company_id,
  }),
  history: { eventType: 'HistoricalImport', column: (c) => c.created_at, days: 90 },
})

export const apiUsageEvents = clickhouseEvents(apiUsage, {
  into: 'api_usage_events',
  structure: new URL('./clickhouse/api_usage_events.sql', import.meta.url),
  columns: (c) => ({
    user_id: c.user_id,
    company_id: c.company_id,
    endpoint: c.endpoint,
    method: c.method,
    status_code: c.status_code,
    response_time_ms: c.response_time_ms,
    cost_units: c.cost_units,
    timestamp: c.occurred_at,
    metadata: c.metadata,
  }),
})
