/** Maps and serves models: requests, results, inferences and their cost, versions, experiments, taxonomies, flags. */
import { type ServiceDefinition, groupTable, mapTable, sql } from '@sluice/system'
import { experiments, frameworks, jobs, settings, storageRecords } from '../../tables.ts'

export const mapper: ServiceDefinition = {
  migrations: new URL('./migrations/', import.meta.url),
  roles: { projector: 'mapper_projector', verifier: 'mapper_verifier', others: ['mapper_app'] },
  ownTables: ['access_audit', 'data_access_log'],
  projections: [
    mapTable(storageRecords, {
      into: 'mapping_requests',
      columns: (c) => ({
        id: c.id,
        tenant_id: c.tenant_id,
        request_id: c.request_id,
        detector_type: c.detector_type,
        content_hash: c.raw_content,
        status: c.status,
        requested_at: c.created_at,
      }),
    }),
    mapTable(storageRecords, {
      into: 'mapping_results',
      columns: (c) => ({
        id: c.id,
        tenant_id: c.tenant_id,
        taxonomy: c.taxonomy,
        canonical_label: c.canonical_label,
        framework: c.framework,
        mapped_data: c.mapped_data,
        confidence: c.confidence,
        is_confident: sql`coalesce(${c.confidence} >= 0.6, false)`,
        mapped_at: c.updated_at,
      }),
      filter: (c) => sql`${c.status} = 'mapped'`,
    }),
    mapTable(storageRecords, {
      into: 'model_inferences',
      columns: (c) => ({
        id: c.id,
        tenant_id: c.tenant_id,
        model_name: c.model_name,
        model_version: c.model_version,
        tokens: sql`${c.input_tokens}::bigint + ${c.output_tokens}`,
        duration_ms: c.duration_ms,
        cost_usd: c.cost_usd,
        inferred_at: c.created_at,
      }),
      filter: (c) => sql`${c.model_name} IS NOT NULL`,
    }),
    mapTable(storageRecords, {
      into: 'storage_artifacts',
      columns: (c) => ({
        id: c.id,
        tenant_id: c.tenant_id,
        uri: c.artifact_uri,
        size_bytes: c.artifact_bytes,
        stored_at: c.created_at,
      }),
      filter: (c) => sql`${c.artifact_uri} IS NOT NULL`,
    }),
    groupTable(storageRecords, {
      memory: 'grouped_records',
      groups: [
        {
          into: 'cost_metrics',
          by: (c) => ({
            tenant_id: c.tenant_id,
            day: sql`(${c.created_at} AT TIME ZONE 'UTC')::date`,
            model_name: c.model_name,
          }),
          count: 'inferences',
          sums: (c) => ({
            input_tokens: c.input_tokens,
            output_tokens: c.output_tokens,
            cost_usd: c.cost_usd,
          }),
          filter: (c) => sql`${c.model_name} IS NOT NULL`,
          expectation: `SELECT tenant_id, (created_at AT TIME ZONE 'UTC')::date, model_name, count(*), sum(input_tokens), sum(output_tokens),
                          sum(cost_usd)
                        FROM public.storage_records WHERE model_name IS NOT NULL GROUP BY 1, 2, 3`,
        },
        {
          into: 'model_versions',
          by: (c) => ({ tenant_id: c.tenant_id, model_name: c.model_name, model_version: c.model_version }),
          count: 'inferences',
          sums: (c) => ({ failures: sql`(${c.status} = 'failed')::integer`, confidence_total: c.confidence }),
          filter: (c) => sql`${c.model_name} IS NOT NULL`,
          expectation: `SELECT tenant_id, model_name, model_version, count(*), count(*) FILTER (WHERE status = 'failed'),
                          coalesce(sum(confidence), 0)
                        FROM public.storage_records WHERE model_name IS NOT NULL GROUP BY 1, 2, 3`,
        },
        {
          into: 'taxonomies',
          by: (c) => ({ tenant_id: c.tenant_id, taxonomy: c.taxonomy, label: c.canonical_label }),
          count: 'mappings',
          filter: (c) => sql`${c.taxonomy} IS NOT NULL AND ${c.canonical_label} IS NOT NULL`,
          expectation: `SELECT tenant_id, taxonomy, canonical_label, count(*)
                        FROM public.storage_records WHERE taxonomy IS NOT NULL AND canonical_label IS NOT NULL GROUP BY 1, 2, 3`,
        },
      ],
    }),
    mapTable(jobs, {
      into: 'training_jobs',
      columns: (c) => ({
        id: c.id,
        tenant_id: c.tenant_id,
        status: c.status,
        base_model: sql`${c.payload} ->> 'base_model'`,
        progress: c.progress,
        error: c.error,
        created_at: c.created_at,
        finished_at: c.finished_at,
      }),
      filter: (c) => sql`${c.kind} = 'training'`,
    }),
    mapTable(experiments, { into: 'deployment_experiments' }),
    mapTable(frameworks, { into: 'framework_configs' }),
    mapTable(settings, {
      into: 'validation_schemas',
      columns: (c) => ({
        id: c.id,
        tenant_id: c.tenant_id,
        name: c.name,
        schema: c.value,
        is_enabled: c.is_enabled,
        updated_at: c.updated_at,
      }),
      filter: (c) => sql`${c.kind} = 'validation_schema'`,
    }),
    mapTable(settings, {
      into: 'feature_flags',
      columns: (c) => ({
        id: c.id,
        tenant_id: c.tenant_id,
        name: c.name,
        is_enabled: c.is_enabled,
        rollout_percent: sql`coalesce((${c.value} ->> 'rollout_percent')::integer, 100)`,
        updated_at: c.updated_at,
      }),
      filter: (c) => sql`${c.kind} = 'feature_flag'`,
    }),
  ],
}
