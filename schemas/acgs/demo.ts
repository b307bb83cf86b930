/** Sample data of the eight services, and what changes in them. */
import {
  PEOPLE,
  type Random,
  arrayText,
  day,
  decimal,
  distinct,
  instant,
  longText,
  longTextOrNull,
  maybe,
  optional,
  sampleTable,
  sentence,
  systemDemo,
} from '@sluice/workload'
import system from './system.ts'
import * as tables from './tables.ts'

const SERVICES = Object.keys(system.services)

function json(random: Random, ...keys: readonly string[]): string {
  return JSON.stringify(Object.fromEntries(keys.map((key) => [key, sentence(random, 1, 4)])))
}

function sha256(random: Random): string {
  return `\\x${random.uuid().replaceAll('-', '')}${random.uuid().replaceAll('-', '')}`
}

const roles = sampleTable(tables.roles, {
  share: 0.3,
  row: (random, n) => ({ name: `role-${n}`, description: sentence(random, 3, 8), created_at: instant(random) }),
  change: (random) => ({ description: sentence(random, 3, 8) }),
})

const users = sampleTable(tables.users, {
  share: 6,
  parents: { role: optional(roles, 0.1) },
  row: (random, n, { role }) => ({
    role_id: role?.id ?? null,
    username: `user${n}`,
    email: `user${n}@example.com`,
    full_name: `${random.pick(PEOPLE)} ${n}`,
    password_hash: `$argon2id$v=19$${random.uuid()}`,
    is_active: random.chance(0.9),
    created_at: instant(random),
    updated_at: instant(random),
  }),
  change: (random) => ({ full_name: random.pick(PEOPLE), is_active: random.chance(0.9), updated_at: instant(random) }),
})

const permissions = sampleTable(tables.permissions, {
  share: 2,
  parents: { role: roles },
  row: (random, n, { role }) => ({
    role_id: role.id,
    resource: `resource-${n}`,
    action: random.pick(['read', 'write', 'approve', 'administer']),
    granted_at: instant(random),
  }),
  change: (random) => ({ granted_at: instant(random) }),
})

const sessions = sampleTable(tables.sessions, {
  share: 8,
  parents: { user: users },
  row: (random, _n, { user }) => ({
    user_id: user.id,
    client_ip: random.pick(['10.0.0.7', '192.168.0.12', '2001:db8::1']),
    user_agent: sentence(random, 2, 5),
    started_at: instant(random),
    expires_at: instant(random),
    ended_at: maybe(random, () => instant(random), 0.5),
  }),
  change: (random) => ({ expires_at: instant(random), ended_at: maybe(random, () => instant(random), 0.5) }),
})

const hashChains = sampleTable(tables.hashChains, {
  share: 0.05,
  row: (random, n) => ({ name: `chain-${n}`, description: sentence(random, 3, 8), created_at: instant(random) }),
  change: (random) => ({ description: sentence(random, 3, 8) }),
  isNeverDeleted: true,
})

/** The monolith gives number, hashes and, while it is filled, the same id; entries are added only. */
const auditLogs = sampleTable(tables.auditLogs, {
  share: 14,
  parents: { chain: hashChains, user: optional(users, 0.1), session: optional(sessions, 0.5) },
  row: (random, n, { chain, user, session }) => ({
    id: n + 1,
    chain_id: chain.id,
    user_id: user?.id ?? null,
    session_id: session?.id ?? null,
    service: random.pick(SERVICES),
    action: random.pick(['read', 'create', 'update', 'delete', 'approve']),
    entity_type: random.pick(['policy', 'principle', 'decision', 'improvement']),
    entity_id: maybe(random, () => random.uuid()),
    details: json(random, 'before', 'after'),
    occurred_at: instant(random),
  }),
  isInsertOnly: true,
})

const tokens = sampleTable(tables.tokens, {
  share: 8,
  parents: { user: users, session: optional(sessions, 0.3), entry: auditLogs },
  row: (random, _n, { user, session, entry }) => ({
    user_id: user.id,
    session_id: session?.id ?? null,
    audit_log_id: entry.id,
    kind: random.pick(['access', 'refresh', 'service']),
    token_hash: sha256(random),
    expires_at: instant(random),
    revoked_at: maybe(random, () => instant(random), 0.7),
  }),
  change: (random) => ({ expires_at: instant(random), revoked_at: maybe(random, () => instant(random), 0.5) }),
})

const integrityChecks = sampleTable(tables.integrityChecks, {
  share: 2,
  parents: { chain: hashChains, user: optional(users, 0.3) },
  row: (random, _n, { chain, user }) => {
    const first = random.between(1, 1_000)
    return {
      chain_id: chain.id,
      checked_by: user?.id ?? null,
      first_number: first,
      last_number: first + random.between(0, 1_000),
      outcome: random.pick(['whole', 'whole', 'running']),
      checked_at: instant(random),
    }
  },
  change: (random) => ({ outcome: random.pick(['whole', 'broken', 'running']), checked_at: instant(random) }),
})

const principles = sampleTable(tables.principles, {
  share: 1,
  row: (random) => ({
    title: sentence(random, 2, 6),
    body: longText(random),
    category: random.pick(['safety', 'fairness', 'transparency', 'accountability']),
    weight: random.fraction().toFixed(4),
    is_active: random.chance(0.9),
    created_at: instant(random),
    updated_at: instant(random),
  }),
  change: (random) => ({ weight: random.fraction().toFixed(4), is_active: random.chance(0.9), updated_at: instant(random) }),
})

const validations = sampleTable(tables.validations, {
  share: 6,
  parents: { principle: principles, session: optional(sessions, 0.4) },
  row: (random, _n, { principle, session }) => ({
    principle_id: principle.id,
    session_id: session?.id ?? null,
    subject: sentence(random, 3, 10),
    outcome: random.pick(['passed', 'failed', 'undecided']),
    confidence: maybe(random, () => random.fraction()),
    validated_at: instant(random),
  }),
  change: (random) => ({ outcome: random.pick(['passed', 'failed']), confidence: random.fraction() }),
})

const complianceChecks = sampleTable(tables.complianceChecks, {
  share: 6,
  parents: { principle: principles, validation: optional(validations, 0.2), entry: auditLogs },
  row: (random, _n, { principle, validation, entry }) => ({
    principle_id: principle.id,
    validation_id: validation?.id ?? null,
    audit_log_id: entry.id,
    is_compliant: random.chance(0.8),
    findings: json(random, 'rule', 'finding'),
    checked_at: instant(random),
  }),
  change: (random) => ({ is_compliant: random.chance(0.8), findings: json(random, 'rule', 'finding') }),
})

const verificationRules = sampleTable(tables.verificationRules, {
  share: 1,
  row: (random, n) => ({
    name: `rule-${n}`,
    expression: sentence(random, 4, 20),
    severity: random.between(1, 5),
    is_active: random.chance(0.9),
    updated_at: instant(random),
  }),
  change: (random) => ({ severity: random.between(1, 5), is_active: random.chance(0.9), updated_at: instant(random) }),
})

const z3Models = sampleTable(tables.z3Models, {
  share: 3,
  parents: { rule: verificationRules },
  row: (random, _n, { rule }) => ({
    rule_id: rule.id,
    model: longText(random),
    variables: arrayText(random.some(['x', 'y', 'with "quotes"', 'größe'], 4)),
    is_satisfiable: maybe(random, () => random.chance(0.5)),
    created_at: instant(random),
  }),
  change: (random) => ({ is_satisfiable: random.chance(0.5) }),
})

const proofResults = sampleTable(tables.proofResults, {
  share: 6,
  parents: { rule: verificationRules, model: optional(z3Models, 0.2), entry: auditLogs },
  row: (random, _n, { rule, model, entry }) => ({
    rule_id: rule.id,
    z3_model_id: model?.id ?? null,
    audit_log_id: entry.id,
    outcome: random.pick(['proved', 'refuted', 'timeout']),
    solver_time: `${random.between(1, 90_000)} milliseconds`,
    proven_at: instant(random),
  }),
  change: (random) => ({ outcome: random.pick(['proved', 'refuted']), proven_at: instant(random) }),
})

const policies = sampleTable(tables.policies, {
  share: 4,
  parents: { author: users },
  row: (random, _n, { author }) => ({
    author_id: author.id,
    title: sentence(random, 2, 8),
    version: random.between(1, 40),
    body: longText(random),
    status: random.pick(['draft', 'proposed', 'in_force', 'repealed']),
    created_at: instant(random),
    updated_at: instant(random),
  }),
  change: (random) => ({
    version: random.between(1, 40),
    status: random.pick(['proposed', 'in_force', 'repealed']),
    updated_at: instant(random),
  }),
})

const synthesisResults = sampleTable(tables.synthesisResults, {
  share: 6,
  parents: { policy: policies, entry: auditLogs },
  row: (random, _n, { policy, entry }) => ({
    policy_id: policy.id,
    audit_log_id: entry.id,
    score: random.fraction().toFixed(5),
    summary: sentence(random, 5, 30),
    produced_at: instant(random),
  }),
  change: (random) => ({ score: random.fraction().toFixed(5), summary: sentence(random, 5, 30) }),
})

const llmInteractions = sampleTable(tables.llmInteractions, {
  share: 7,
  parents: { result: optional(synthesisResults, 0.2), user: users },
  row: (random, _n, { result, user }) => ({
    result_id: result?.id ?? null,
    user_id: user.id,
    model: random.pick(['drafter-1', 'drafter-2', 'critic-1']),
    prompt: longText(random),
    response: longTextOrNull(random, 0.1),
    prompt_tokens: random.between(10, 8_000),
    response_tokens: random.between(0, 8_000),
    occurred_at: instant(random),
  }),
  change: (random) => ({ response: longTextOrNull(random, 0.1), response_tokens: random.between(0, 8_000) }),
})

const governanceRules = sampleTable(tables.governanceRules, {
  share: 3,
  parents: { policy: policies, user: users },
  row: (random, n, { policy, user }) => ({
    policy_id: policy.id,
    created_by: user.id,
    name: `governance-${n}`,
    effect: random.pick(['allow', 'deny', 'review']),
    priority: random.between(0, 1_000),
    condition: json(random, 'subject', 'resource'),
    updated_at: instant(random),
  }),
  change: (random) => ({
    effect: random.pick(['allow', 'deny', 'review']),
    priority: random.between(0, 1_000),
    updated_at: instant(random),
  }),
})

const enforcementLogs = sampleTable(tables.enforcementLogs, {
  share: 8,
  parents: { rule: governanceRules, user: optional(users, 0.2) },
  row: (random, _n, { rule, user }) => ({
    rule_id: rule.id,
    user_id: user?.id ?? null,
    decision: random.pick(['allowed', 'denied', 'escalated']),
    reason: sentence(random, 3, 15),
    enforced_at: instant(random),
  }),
  isInsertOnly: true,
})

const opaPolicies = sampleTable(tables.opaPolicies, {
  share: 2,
  parents: { rule: distinct(governanceRules) },
  row: (random, n, { rule }) => ({
    rule_id: rule.id,
    package_name: `acgs.rules.r${n}`,
    rego: longText(random),
    version: random.between(1, 40),
    compiled_at: instant(random),
  }),
  change: (random) => ({ version: random.between(1, 40), compiled_at: instant(random) }),
})

const councilMembers = sampleTable(tables.councilMembers, {
  share: 1,
  parents: { user: distinct(users) },
  row: (random, _n, { user }) => ({
    user_id: user.id,
    title: random.pick(['chair', 'deputy', 'member', 'observer']),
    weight: decimal(random, 9, 2),
    joined_on: day(random),
    left_on: maybe(random, () => day(random), 0.8),
  }),
  change: (random) => ({ title: random.pick(['deputy', 'member', 'observer']), left_on: maybe(random, () => day(random)) }),
})

const decisions = sampleTable(tables.decisions, {
  share: 3,
  parents: { policy: policies, member: councilMembers },
  row: (random, _n, { policy, member }) => ({
    policy_id: policy.id,
    proposed_by: member.id,
    title: sentence(random, 3, 8),
    outcome: random.pick(['open', 'adopted', 'rejected']),
    decided_at: maybe(random, () => instant(random)),
  }),
  change: (random) => ({ outcome: random.pick(['adopted', 'rejected']), decided_at: instant(random) }),
})

const votingRecords = sampleTable(tables.votingRecords, {
  share: 7,
  parents: { decision: distinct(decisions), member: distinct(councilMembers) },
  row: (random, _n, { decision, member }) => ({
    decision_id: decision.id,
    member_id: member.id,
    vote: random.pick(['yes', 'no', 'abstain']),
    comment: maybe(random, () => sentence(random, 3, 15), 0.6),
    cast_at: instant(random),
  }),
  change: (random) => ({ vote: random.pick(['yes', 'no', 'abstain']), cast_at: instant(random) }),
})

const improvements = sampleTable(tables.improvements, {
  share: 2,
  parents: { user: users },
  row: (random, _n, { user }) => ({
    proposed_by: user.id,
    title: sentence(random, 2, 8),
    description: longText(random),
    status: random.pick(['proposed', 'trial', 'adopted', 'rolled_back']),
    expected_gain: decimal(random, 999, 4),
    proposed_at: instant(random),
    updated_at: instant(random),
  }),
  change: (random) => ({ status: random.pick(['trial', 'adopted', 'rolled_back']), updated_at: instant(random) }),
})

const evolutionLogs = sampleTable(tables.evolutionLogs, {
  share: 6,
  parents: { improvement: improvements, entry: auditLogs },
  row: (random, _n, { improvement, entry }) => ({
    improvement_id: improvement.id,
    audit_log_id: entry.id,
    generation: random.between(0, 5_000),
    fitness: random.fraction(),
    details: json(random, 'parent', 'mutation'),
    logged_at: instant(random),
  }),
  isInsertOnly: true,
})

const selfModifications = sampleTable(tables.selfModifications, {
  share: 4,
  parents: { improvement: improvements },
  row: (random, _n, { improvement }) => ({
    improvement_id: improvement.id,
    target: sentence(random, 1, 3),
    patch: longText(random),
    patch_back: longText(random),
    status: random.pick(['pending', 'applied']),
    applied_at: maybe(random, () => instant(random), 0.4),
    rolled_back_at: null,
  }),
  change: (random) => ({ status: random.pick(['applied', 'rolled_back']), rolled_back_at: maybe(random, () => instant(random)) }),
})

export default systemDemo({
  system,
  tables: [
    roles,
    users,
    permissions,
    sessions,
    hashChains,
    auditLogs,
    tokens,
    integrityChecks,
    principles,
    validations,
    complianceChecks,
    verificationRules,
    z3Models,
    proofResults,
    policies,
    synthesisResults,
    llmInteractions,
    governanceRules,
    enforcementLogs,
    opaPolicies,
    councilMembers,
    decisions,
    votingRecords,
    improvements,
    evolutionLogs,
    selfModifications,
  ],
})
