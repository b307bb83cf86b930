/** The tables of the one database that all services share, see `monolith/0001_acgs.sql`. */
import {
  arrayOf,
  bigint,
  boolean,
  bytea,
  date,
  double,
  integer,
  jsonb,
  numeric,
  other,
  smallint,
  table,
  text,
  timestamptz,
  topic,
  uuid,
} from '@sluice/system'

export const roles = table('auth_roles', {
  aggregate: 'Role',
  key: ['id'],
  topic: topic('acgs.roles'),
  columns: {
    id: uuid(),
    name: text(),
    description: text(),
    created_at: timestamptz(),
  },
})

export const users = table('auth_users', {
  aggregate: 'User',
  key: ['id'],
  topic: topic('acgs.users'),
  columns: {
    id: uuid(),
    role_id: uuid().nullable(),
    username: text(),
    email: text(),
    full_name: text(),
    password_hash: text(),
    is_active: boolean(),
    created_at: timestamptz(),
    updated_at: timestamptz(),
  },
})

export const permissions = table('auth_permissions', {
  aggregate: 'Permission',
  key: ['id'],
  topic: topic('acgs.permissions'),
  columns: {
    id: uuid(),
    role_id: uuid(),
    resource: text(),
    action: text(),
    granted_at: timestamptz(),
  },
})

export const sessions = table('auth_sessions', {
  aggregate: 'Session',
  key: ['id'],
  topic: topic('acgs.sessions'),
  columns: {
    id: uuid(),
    user_id: uuid(),
    client_ip: other('inet'),
    user_agent: text(),
    started_at: timestamptz(),
    expires_at: timestamptz(),
    ended_at: timestamptz().nullable(),
  },
})

export const hashChains = table('integrity_hash_chains', {
  aggregate: 'HashChain',
  key: ['id'],
  topic: topic('acgs.hash_chains'),
  columns: {
    id: uuid(),
    name: text(),
    description: text(),
    entries: bigint(),
    head_hash: bytea().nullable(),
    created_at: timestamptz(),
  },
})

export const auditLogs = table('integrity_audit_logs', {
  aggregate: 'AuditLog',
  key: ['id'],
  topic: topic('acgs.audit_logs'),
  columns: {
    id: bigint(),
    chain_id: uuid(),
    sequence_number: bigint(),
    user_id: uuid().nullable(),
    session_id: uuid().nullable(),
    service: text(),
    action: text(),
    entity_type: text(),
    entity_id: uuid().nullable(),
    details: jsonb(),
    occurred_at: timestamptz(),
    previous_number: bigint().nullable(),
    previous_hash: bytea().nullable(),
    entry_hash: bytea(),
  },
})

export const tokens = table('auth_tokens', {
  aggregate: 'Token',
  key: ['id'],
  topic: topic('acgs.tokens'),
  columns: {
    id: uuid(),
    user_id: uuid(),
    session_id: uuid().nullable(),
    audit_log_id: bigint(),
    kind: text(),
    token_hash: bytea(),
    expires_at: timestamptz(),
    revoked_at: timestamptz().nullable(),
  },
})

export const integrityChecks = table('integrity_checks', {
  aggregate: 'IntegrityCheck',
  key: ['id'],
  topic: topic('acgs.integrity_checks'),
  columns: {
    id: uuid(),
    chain_id: uuid(),
    checked_by: uuid().nullable(),
    first_number: bigint(),
    last_number: bigint(),
    outcome: text(),
    checked_at: timestamptz(),
  },
})

export const principles = table('constitutional_principles', {
  aggregate: 'Principle',
  key: ['id'],
  topic: topic('acgs.principles'),
  columns: {
    id: uuid(),
    title: text(),
    body: text(),
    category: text(),
    weight: numeric(5, 4),
    is_active: boolean(),
    created_at: timestamptz(),
    updated_at: timestamptz(),
  },
})

export const validations = table('constitutional_validations', {
  aggregate: 'Validation',
  key: ['id'],
  topic: topic('acgs.validations'),
  columns: {
    id: uuid(),
    principle_id: uuid(),
    session_id: uuid().nullable(),
    subject: text(),
    outcome: text(),
    confidence: double().nullable(),
    validated_at: timestamptz(),
  },
})

export const complianceChecks = table('constitutional_compliance_checks', {
  aggregate: 'ComplianceCheck',
  key: ['id'],
  topic: topic('acgs.compliance_checks'),
  columns: {
    id: uuid(),
    principle_id: uuid(),
    validation_id: uuid().nullable(),
    audit_log_id: bigint(),
    is_compliant: boolean(),
    findings: jsonb(),
    checked_at: timestamptz(),
  },
})

export const verificationRules = table('verification_rules', {
  aggregate: 'VerificationRule',
  key: ['id'],
  topic: topic('acgs.verification_rules'),
  columns: {
    id: uuid(),
    name: text(),
    expression: text(),
    severity: smallint(),
    is_active: boolean(),
    updated_at: timestamptz(),
  },
})

export const z3Models = table('verification_z3_models', {
  aggregate: 'Z3Model',
  key: ['id'],
  topic: topic('acgs.z3_models'),
  columns: {
    id: uuid(),
    rule_id: uuid(),
    model: text(),
    variables: arrayOf(text()),
    is_satisfiable: boolean().nullable(),
    created_at: timestamptz(),
  },
})

export const proofResults = table('verification_proof_results', {
  aggregate: 'ProofResult',
  key: ['id'],
  topic: topic('acgs.proof_results'),
  columns: {
    id: uuid(),
    rule_id: uuid(),
    z3_model_id: uuid().nullable(),
    audit_log_id: bigint(),
    outcome: text(),
    solver_time: other('interval'),
    proven_at: timestamptz(),
  },
})

export const policies = table('synthesis_policies', {
  aggregate: 'Policy',
  key: ['id'],
  topic: topic('acgs.policies'),
  columns: {
    id: uuid(),
    author_id: uuid(),
    title: text(),
    version: integer(),
    body: text(),
    status: text(),
    created_at: timestamptz(),
    updated_at: timestamptz(),
  },
})

export const synthesisResults = table('synthesis_results', {
  aggregate: 'SynthesisResult',
  key: ['id'],
  topic: topic('acgs.synthesis_results'),
  columns: {
    id: uuid(),
    policy_id: uuid(),
    audit_log_id: bigint(),
    score: numeric(6, 5),
    summary: text(),
    produced_at: timestamptz(),
  },
})

export const llmInteractions = table('synthesis_llm_interactions', {
  aggregate: 'LlmInteraction',
  key: ['id'],
  topic: topic('acgs.llm_interactions'),
  columns: {
    id: uuid(),
    result_id: uuid().nullable(),
    user_id: uuid(),
    model: text(),
    prompt: text(),
    response: text().nullable(),
    prompt_tokens: integer(),
    response_tokens: integer(),
    occurred_at: timestamptz(),
  },
})

export const governanceRules = table('governance_rules', {
  aggregate: 'GovernanceRule',
  key: ['id'],
  topic: topic('acgs.governance_rules'),
  columns: {
    id: uuid(),
    policy_id: uuid(),
    created_by: uuid(),
    name: text(),
    effect: text(),
    priority: smallint(),
    condition: jsonb(),
    updated_at: timestamptz(),
  },
})

export const enforcementLogs = table('governance_enforcement_logs', {
  aggregate: 'EnforcementLog',
  key: ['id'],
  topic: topic('acgs.enforcement_logs'),
  columns: {
    id: uuid(),
    rule_id: uuid(),
    user_id: uuid().nullable(),
    decision: text(),
    reason: text(),
    enforced_at: timestamptz(),
  },
})

export const opaPolicies = table('governance_opa_policies', {
  aggregate: 'OpaPolicy',
  key: ['id'],
  topic: topic('acgs.opa_policies'),
  columns: {
    id: uuid(),
    rule_id: uuid(),
    package_name: text(),
    rego: text(),
    version: integer(),
    compiled_at: timestamptz(),
  },
})

export const councilMembers = table('council_members', {
  aggregate: 'CouncilMember',
  key: ['id'],
  topic: topic('acgs.council_members'),
  columns: {
    id: uuid(),
    user_id: uuid(),
    title: text(),
    weight: numeric(4, 2),
    joined_on: date(),
    left_on: date().nullable(),
  },
})

export const decisions = table('council_decisions', {
  aggregate: 'Decision',
  key: ['id'],
  topic: topic('acgs.decisions'),
  columns: {
    id: uuid(),
    policy_id: uuid(),
    proposed_by: uuid(),
    title: text(),
    outcome: text(),
    decided_at: timestamptz().nullable(),
  },
})

export const votingRecords = table('council_voting_records', {
  aggregate: 'VotingRecord',
  key: ['decision_id', 'member_id'],
  topic: topic('acgs.voting_records'),
  columns: {
    decision_id: uuid(),
    member_id: uuid(),
    vote: text(),
    comment: text().nullable(),
    cast_at: timestamptz(),
  },
})

export const improvements = table('dgm_improvements', {
  aggregate: 'Improvement',
  key: ['id'],
  topic: topic('acgs.improvements'),
  columns: {
    id: uuid(),
    proposed_by: uuid(),
    title: text(),
    description: text(),
    status: text(),
    expected_gain: numeric(8, 4),
    proposed_at: timestamptz(),
    updated_at: timestamptz(),
  },
})

export const evolutionLogs = table('dgm_evolution_logs', {
  aggregate: 'EvolutionLog',
  key: ['id'],
  topic: topic('acgs.evolution_logs'),
  columns: {
    id: uuid(),
    improvement_id: uuid(),
    audit_log_id: bigint(),
    generation: integer(),
    fitness: double(),
    details: jsonb(),
    logged_at: timestamptz(),
  },
})

export const selfModifications = table('dgm_self_modifications', {
  aggregate: 'SelfModification',
  key: ['id'],
  topic: topic('acgs.self_modifications'),
  columns: {
    id: uuid(),
    improvement_id: uuid(),
    target: text(),
    patch: text(),
    patch_back: text(),
    status: text(),
    applied_at: timestamptz().nullable(),
    rolled_back_at: timestamptz().nullable(),
  },
})
