/** Facts to report on, and counters by agency. */
import { type ServiceDefinition, mapTable, sql } from '@sluice/system'
import { apiUsage, opportunities, proposals } from '../../tables.ts'
import { agencyStatistics } from './agency-statistics.ts'

export const analytics: ServiceDefinition = {
  migrations: new URL('./migrations/', import.meta.url),
  projections: [
    mapTable(opportunities, {
      into: 'opportunity_facts',
      columns: (c) => ({
        opportunity_id: c.id,
        notice_type: c.notice_type,
        status: c.status,
        agency: c.agency,
        set_aside_type: c.set_aside_type,
        naics_sector: sql`left(${c.naics_code}, 2)`,
        award_amount: c.award_amount,
        estimated_value: c.estimated_value,
        posted_on: c.posted_on,
        posted_month: sql`${c.posted_on} - (extract(day FROM ${c.posted_on})::integer - 1)`,
        response_deadline: c.response_deadline,
        performance_period: c.performance_period,
        created_by: c.created_by,
        company_id: c.awarded_company_id,
        created_at: c.created_at,
      }),
    }),
    mapTable(proposals, {
      into: 'proposal_facts',
      columns: (c) => ({
        proposal_id: c.id,
        opportunity_id: c.opportunity_id,
        company_id: c.company_id,
        status: c.status,
        price: c.price,
        margin: c.margin,
        win_probability: c.win_probability,
        milestone_amounts: c.milestone_amounts,
        is_late: c.is_late,
        submitted_at: c.submitted_at,
      }),
      tracking: () => ({ analytics_synced: sql`true` }),
    }),
    mapTable(apiUsage, {
      into: 'api_usage_events',
      columns: (c) => ({
        usage_id: c.id,
        user_id: c.user_id,
        company_id: c.company_id,
        endpoint: c.endpoint,
        method: c.method,
        status_code: c.status_code,
        response_seconds: sql`${c.response_time_ms} / 1000.0`,
        cost_units: c.cost_units,
        scopes: c.scopes,
        metadata: c.metadata,
        client_ip: c.client_ip,
        occurred_at: c.occurred_at,
      }),
    }),
    agencyStatistics,
  ],
}
