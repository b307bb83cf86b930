/** Rows of the monolith's tables that have rules between their columns. */
import { type Random, type SampleRow, decimal, instant, longText, maybe, sampleId, sentence } from '@sluice/workload'

export const DETECTORS = ['pii', 'toxicity', 'prompt_injection', 'secrets', 'bias', 'hallucination'] as const
export const FRAMEWORKS = ['SOC2', 'GDPR', 'HIPAA', 'EU_AI_ACT'] as const
export const METRICS = ['mapping_accuracy', 'schema_validity', 'citation_coverage', 'latency_score'] as const
const TAXONOMY_LABELS = {
  pii: ['PII.Contact.Email', 'PII.Identity.Passport', 'PII.Health'],
  harm: ['HARM.Toxicity', 'HARM.SelfHarm', 'HARM.Violence.Größe'],
  security: ['SECURITY.Injection', 'SECURITY.Secret'],
} as const
const EMBEDDING_SIZE = 16
/** Runs of detectors over one content. */
const RUNS_OF_REQUEST = 6

/** What the mapper makes of a record; the columns agree with each other, as the monolith demands. */
export function outcome(random: Random): SampleRow {
  const status = random.pick(['received', 'mapped', 'mapped', 'mapped', 'failed'])
  const taxonomy = random.pick(['pii', 'harm', 'security'] as const)
  const isMapped = status === 'mapped'
  const hasModel = status !== 'received'
  const label = random.pick(TAXONOMY_LABELS[taxonomy])
  return {
    status,
    mapped_data: isMapped ? JSON.stringify({ scores: { [label]: random.fraction() }, notes: sentence(random, 2, 12) }) : null,
    taxonomy: isMapped ? taxonomy : null,
    canonical_label: isMapped ? label : null,
    framework: isMapped && random.chance(0.7) ? random.pick(FRAMEWORKS) : null,
    model_name: hasModel ? random.pick(['llama-3-8b-mapper', 'phi-3-mini-mapper']) : null,
    model_version: hasModel ? random.pick(['1.0.0', '1.1.0', '2.0.0-rc1']) : null,
    confidence: hasModel ? maybe(random, () => decimal(random, 0, 4), 0.1) : null,
    confidence_metrics: JSON.stringify(random.chance(0.5) ? { variance: random.between(0, 30) / 100, runs: 3 } : {}),
    input_tokens: random.between(0, 4_000),
    output_tokens: random.between(0, 600),
    cost_usd: decimal(random, 0, 6),
    duration_ms: random.between(1, 9_000),
    artifact_uri: random.chance(0.2) ? `s3://llama-artifacts/${random.uuid()}` : null,
    artifact_bytes: random.between(1, 2_000_000_000),
  }
}

export function storageRecordRow(random: Random, n: number, tenantId: string): SampleRow {
  return {
    tenant_id: tenantId,
    request_id: sampleId(0, 'requests', Math.floor(n / RUNS_OF_REQUEST)),
    detector_type: random.pick(DETECTORS),
    detector_version: random.pick(['2.3.1', '2.4.0']),
    raw_content: longText(random),
    ...outcome(random),
    created_at: instant(random),
    updated_at: instant(random),
  }
}

/** PostgreSQL's text of a real[] of unit-free numbers; NULL where nothing is embedded yet. */
export function embedding(random: Random): string | null {
  if (random.chance(0.1)) return null
  return `{${Array.from({ length: EMBEDDING_SIZE }, () => (random.fraction() * 2 - 1).toFixed(5)).join(',')}}`
}
