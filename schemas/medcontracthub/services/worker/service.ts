/** Background work on companies, accounts and proposals, in tables that refer to each other. */
import { type ServiceDefinition, mapTable, sql } from '@sluice/system'
import { apiUsage, companies, contractDocuments, opportunities, proposals, users } from '../../tables.ts'

export const worker: ServiceDefinition = {
  migrations: new URL('./migrations/', import.meta.url),
  projections: [
    mapTable(companies, {
      into: 'companies',
      columns: (c) => ({
        id: c.id,
        name: c.name,
        uei: c.uei,
        size: c.size,
        employee_count: c.employee_count,
        website: c.website,
        founded_on: c.founded_on,
        is_verified: c.is_verified,
        created_at: c.created_at,
      }),
    }),
    mapTable(users, {
      into: 'accounts',
      columns: (c) => ({
        id: c.id,
        company_id: c.company_id,
        email: c.email,
        display_name: sql`btrim(${c.full_name})`,
        biography: c.biography,
        hourly_rate: c.hourly_rate,
        permissions: c.permissions,
        preferences: c.preferences,
        avatar_digest: c.avatar_digest,
        is_active: c.is_active,
      }),
    }),
    mapTable(opportunities, {
      into: 'opportunities',
      columns: (c) => ({
        id: c.id,
        notice_id: c.notice_id,
        title: c.title,
        is_active: c.is_active,
        response_deadline: c.response_deadline,
        awarded_company_id: c.awarded_company_id,
      }),
      tracking: (e) => ({
        processed_by_services: sql`jsonb_build_object('worker', jsonb_build_object('eventId', ${e.eventId}, 'version', ${e.version}))`,
        // When the monolith committed what this row shows, which a replay does not change. When it was in Kafka depends on the relay.
        last_sync_to_kafka: e.committedAt,
      }),
    }),
    mapTable(proposals, {
      into: 'proposals',
      columns: (c) => ({
        id: c.id,
        opportunity_id: c.opportunity_id,
        company_id: c.company_id,
        submitted_by: c.submitted_by,
        status: c.status,
        price: c.price,
        sections: c.sections,
        submitted_at: c.submitted_at,
      }),
      tracking: (e) => ({ event_stream_position: e.position }),
    }),
    mapTable(contractDocuments, {
      into: 'attachments',
      columns: (c) => ({
        document_id: c.id,
        opportunity_id: c.opportunity_id,
        proposal_id: c.proposal_id,
        file_name: c.file_name,
        size_bytes: c.size_bytes,
      }),
    }),
    mapTable(apiUsage, {
      into: 'failed_requests',
      columns: (c) => ({
        usage_id: c.id,
        endpoint: c.endpoint,
        status_code: c.status_code,
        request_body: c.request_body,
        occurred_at: c.occurred_at,
      }),
      filter: (c) => sql`${c.status_code} >= 400`,
    }),
  ],
}
