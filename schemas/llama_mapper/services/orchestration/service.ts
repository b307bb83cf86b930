/** Coordinates detectors: who ran, for which request, under which policy. */
import { type ServiceDefinition, groupTable, mapTable, sql } from '@sluice/system'
import { accessPolicies, auditLog, jobs, policyDecisions, serviceEndpoints, storageRecords, tenants } from '../../tables.ts'

export const orchestration: ServiceDefinition = {
  migrations: new URL('./migrations/', import.meta.url),
  roles: { projector: 'orchestration_projector', verifier: 'orchestration_verifier', others: ['orchestration_app'] },
  ownTables: ['access_audit', 'data_access_log'],
  projections: [
    mapTable(storageRecords, {
      into: 'detector_executions',
      columns: (c) => ({
        id: c.id,
        tenant_id: c.tenant_id,
        request_id: c.request_id,
        detector_type: c.detector_type,
        detector_version: c.detector_version,
        content_hash: c.raw_content,
        status: sql`CASE ${c.status} WHEN 'failed' THEN 'failed' ELSE 'completed' END`,
        confidence: c.confidence,
        duration_ms: c.duration_ms,
        executed_at: c.created_at,
      }),
    }),
    groupTable(storageRecords, {
      memory: 'grouped_executions',
      groups: [
        {
          into: 'detectors',
          by: (c) => ({ tenant_id: c.tenant_id, detector_type: c.detector_type }),
          count: 'executions',
          sums: (c) => ({ failures: sql`(${c.status} = 'failed')::integer`, duration_ms: c.duration_ms }),
          expectation: `SELECT tenant_id, detector_type, count(*), count(*) FILTER (WHERE status = 'failed'), sum(duration_ms)
                        FROM public.storage_records GROUP BY tenant_id, detector_type`,
        },
        {
          into: 'orchestration_requests',
          by: (c) => ({ tenant_id: c.tenant_id, request_id: c.request_id }),
          count: 'executions',
          sums: (c) => ({
            failures: sql`(${c.status} = 'failed')::integer`,
            pending: sql`(${c.status} = 'received')::integer`,
            duration_ms: c.duration_ms,
          }),
          expectation: `SELECT tenant_id, request_id, count(*), count(*) FILTER (WHERE status = 'failed'),
                          count(*) FILTER (WHERE status = 'received'), sum(duration_ms)
                        FROM public.storage_records GROUP BY tenant_id, request_id`,
        },
      ],
    }),
    mapTable(accessPolicies, { into: 'policies' }),
    mapTable(policyDecisions, {
      into: 'policy_enforcements',
      columns: (c) => ({
        id: c.id,
        tenant_id: c.tenant_id,
        policy_id: c.policy_id,
        request_id: c.request_id,
        decision: c.decision,
        is_blocking: sql`${c.decision} = 'deny'`,
        reasons: c.reasons,
        enforced_at: c.decided_at,
      }),
    }),
    mapTable(tenants, {
      into: 'rate_limits',
      columns: (c) => ({
        tenant_id: c.id,
        requests_per_minute: c.requests_per_minute,
        burst: c.burst,
        requests_per_day: sql`${c.requests_per_minute}::bigint * 1440`,
      }),
    }),
    mapTable(serviceEndpoints, { into: 'service_registry' }),
    mapTable(jobs, {
      into: 'async_jobs',
      columns: (c) => ({
        id: c.id,
        tenant_id: c.tenant_id,
        kind: c.kind,
        status: c.status,
        payload: c.payload,
        progress: c.progress,
        error: c.error,
        created_at: c.created_at,
        finished_at: c.finished_at,
      }),
      filter: (c) => sql`${c.kind} <> 'training'`,
    }),
    mapTable(auditLog, {
      into: 'orchestration_audit',
      columns: (c) => ({
        id: c.id,
        tenant_id: c.tenant_id,
        actor_id: c.actor_id,
        actor_email: c.actor_email,
        action: c.action,
        details: c.details,
        occurred_at: c.occurred_at,
      }),
      filter: (c) => sql`${c.area} = 'orchestration'`,
    }),
  ],
}
