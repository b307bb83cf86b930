/** What the screens show at this moment. */
import { type ServiceDefinition, mapTable, sql } from '@sluice/system'
import { opportunities, users } from '../../tables.ts'
import { documentNotices } from './document-notices.ts'
import { proposalReviews } from './proposal-reviews.ts'

export const realtime: ServiceDefinition = {
  migrations: new URL('./migrations/', import.meta.url),
  projections: [
    mapTable(opportunities, {
      into: 'live_opportunities',
      columns: (c) => ({
        opportunity_id: c.id,
        notice_id: c.notice_id,
        agency: c.agency,
        status: c.status,
        closes_at: sql`nullif(${c.response_deadline}, 'infinity')`,
        updated_at: c.updated_at,
      }),
      filter: (c) => sql`${c.is_active} AND ${c.status} IN ('open', 'closing')`,
    }),
    mapTable(users, {
      into: 'people',
      columns: (c) => ({
        user_id: c.id,
        company_id: c.company_id,
        email: c.email,
        role: c.role,
        last_sign_in_at: c.last_sign_in_at,
      }),
      filter: (c) => sql`${c.is_active}`,
    }),
    proposalReviews,
    documentNotices,
  ],
}
