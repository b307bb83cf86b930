/** Analyses what was mapped: results, risks, patterns, quality, and a knowledge base that is searched by similarity. */
import { type ServiceDefinition, groupTable, mapTable, sql } from '@sluice/system'
import { assistantAnswers, frameworkDocuments, models, qualityMeasurements, settings, storageRecords } from '../../tables.ts'

export const analysis: ServiceDefinition = {
  migrations: new URL('./migrations/', import.meta.url),
  extensions: ['vector'],
  roles: { projector: 'analysis_projector', verifier: 'analysis_verifier', others: ['analysis_app'] },
  ownTables: ['access_audit', 'data_access_log'],
  projections: [
    mapTable(storageRecords, {
      into: 'analysis_requests',
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
      into: 'canonical_results',
      columns: (c) => ({
        id: c.id,
        tenant_id: c.tenant_id,
        taxonomy: c.taxonomy,
        canonical_label: c.canonical_label,
        scores: sql`coalesce(${c.mapped_data} -> 'scores', '{}')`,
        mapped_data: c.mapped_data,
        confidence: c.confidence,
        updated_at: c.updated_at,
      }),
      filter: (c) => sql`${c.status} = 'mapped'`,
    }),
    mapTable(storageRecords, {
      into: 'risk_scores',
      columns: (c) => ({
        id: c.id,
        tenant_id: c.tenant_id,
        request_id: c.request_id,
        // The less sure the detector was, the higher the risk; what its runs disagreed about is added.
        score: sql`least(100, (1 - ${c.confidence}) * 100 + coalesce((${c.confidence_metrics} ->> 'variance')::numeric, 0) * 100)`,
        level: sql`CASE WHEN ${c.confidence} >= 0.9 THEN 'low' WHEN ${c.confidence} >= 0.6 THEN 'medium' ELSE 'high' END`,
        confidence: c.confidence,
        confidence_metrics: c.confidence_metrics,
      }),
      filter: (c) => sql`${c.confidence} IS NOT NULL`,
    }),
    mapTable(storageRecords, {
      into: 'compliance_mappings',
      columns: (c) => ({
        id: c.id,
        tenant_id: c.tenant_id,
        framework: c.framework,
        canonical_label: c.canonical_label,
        detector_type: c.detector_type,
        mapped_at: c.updated_at,
      }),
      filter: (c) => sql`${c.status} = 'mapped' AND ${c.framework} IS NOT NULL`,
    }),
    groupTable(storageRecords, {
      memory: 'grouped_records',
      groups: [
        {
          into: 'pattern_analysis',
          by: (c) => ({ tenant_id: c.tenant_id, detector_type: c.detector_type, canonical_label: c.canonical_label }),
          count: 'occurrences',
          sums: (c) => ({ confidence_total: c.confidence }),
          filter: (c) => sql`${c.canonical_label} IS NOT NULL`,
          expectation: `SELECT tenant_id, detector_type, canonical_label, count(*), coalesce(sum(confidence), 0)
                        FROM public.storage_records WHERE canonical_label IS NOT NULL
                        GROUP BY tenant_id, detector_type, canonical_label`,
        },
        {
          into: 'tenant_analytics',
          by: (c) => ({ tenant_id: c.tenant_id, day: sql`(${c.created_at} AT TIME ZONE 'UTC')::date` }),
          count: 'records',
          sums: (c) => ({
            mapped: sql`(${c.status} = 'mapped')::integer`,
            failed: sql`(${c.status} = 'failed')::integer`,
          }),
          expectation: `SELECT tenant_id, (created_at AT TIME ZONE 'UTC')::date, count(*),
                          count(*) FILTER (WHERE status = 'mapped'), count(*) FILTER (WHERE status = 'failed')
                        FROM public.storage_records GROUP BY 1, 2`,
        },
      ],
    }),
    mapTable(frameworkDocuments, {
      into: 'knowledge_base',
      columns: (c) => ({
        id: c.id,
        tenant_id: c.tenant_id,
        framework: c.framework_code,
        section: c.section,
        title: c.title,
        content: c.content,
        embedding: sql`translate(${c.embedding}::text, '{}', '[]')`,
        updated_at: c.updated_at,
      }),
    }),
    mapTable(assistantAnswers, {
      into: 'rag_insights',
      columns: (c) => ({
        id: c.id,
        tenant_id: c.tenant_id,
        question_hash: c.question,
        answer: c.answer,
        document_ids: c.document_ids,
        embedding: sql`translate(${c.embedding}::text, '{}', '[]')`,
        confidence: c.confidence,
        answered_at: c.answered_at,
      }),
    }),
    mapTable(qualityMeasurements, { into: 'quality_metrics' }),
    mapTable(qualityMeasurements, {
      into: 'quality_alerts',
      columns: (c) => ({
        id: c.id,
        tenant_id: c.tenant_id,
        metric: c.metric,
        shortfall: sql`${c.threshold} - ${c.value}`,
        severity: sql`CASE WHEN ${c.value} < ${c.threshold} * 0.5 THEN 'critical' ELSE 'warning' END`,
        raised_at: c.measured_at,
      }),
      filter: (c) => sql`${c.value} < ${c.threshold}`,
    }),
    groupTable(qualityMeasurements, {
      memory: 'grouped_measurements',
      groups: [
        {
          into: 'weekly_evaluations',
          by: (c) => ({
            tenant_id: c.tenant_id,
            week: sql`date_trunc('week', ${c.measured_at} AT TIME ZONE 'UTC')::date`,
            metric: c.metric,
          }),
          count: 'measurements',
          sums: (c) => ({
            value_total: c.value,
            below_threshold: sql`(${c.value} < ${c.threshold})::integer`,
            sample_size: c.sample_size,
          }),
          expectation: `SELECT tenant_id, date_trunc('week', measured_at AT TIME ZONE 'UTC')::date, metric, count(*), sum(value),
                          count(*) FILTER (WHERE value < threshold), sum(sample_size)
                        FROM public.quality_measurements GROUP BY 1, 2, 3`,
        },
      ],
    }),
    mapTable(models, { into: 'ml_models' }),
    mapTable(settings, {
      into: 'analysis_pipelines',
      columns: (c) => ({
        id: c.id,
        tenant_id: c.tenant_id,
        name: c.name,
        steps: sql`coalesce(${c.value} -> 'steps', '[]')`,
        is_enabled: c.is_enabled,
        updated_at: c.updated_at,
      }),
      filter: (c) => sql`${c.kind} = 'analysis_pipeline'`,
    }),
  ],
}
