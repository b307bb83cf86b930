/** Sample data of the nine services, and what changes in them. */
import {
  PEOPLE,
  type Random,
  arrayText,
  day,
  decimal,
  distinct,
  instant,
  longTextOrNull,
  maybe,
  optional,
  sampleTable,
  sentence,
  systemDemo,
} from '@sluice/workload'
import system from './system.ts'
import * as tables from './tables.ts'

const CURRENCIES = ['CHF', 'EUR', 'JPY', 'USD'] as const
const TASK_STATES = ['open', 'in_progress', 'done', 'cancelled'] as const

function json(random: Random, ...keys: readonly string[]): string {
  return JSON.stringify(Object.fromEntries(keys.map((key) => [key, sentence(random, 1, 4)])))
}

const clients = sampleTable(tables.clients, {
  share: 8,
  row: (random, n) => ({
    full_name: `${random.pick(PEOPLE)} ${n}`,
    email: `client${n}@example.com`,
    phone: maybe(random, () => `+41 44 ${random.between(1_000_000, 9_999_999)}`),
    segment: random.pick(['retail', 'affluent', 'private', 'institutional']),
    status: random.pick(['prospect', 'active', 'active', 'dormant', 'closed']),
    assets_under_management: maybe(random, () => decimal(random, 90_000_000, 2)),
    preferences: json(random, 'language', 'contact'),
    onboarded_on: maybe(random, () => day(random)),
    created_at: instant(random),
    updated_at: instant(random),
  }),
  change: (random) => ({
    status: random.pick(['active', 'dormant', 'closed']),
    assets_under_management: maybe(random, () => decimal(random, 90_000_000, 2)),
    updated_at: instant(random),
  }),
})

const clientLinks = sampleTable(tables.clientLinks, {
  share: 3,
  parents: { client: clients, linked: clients },
  row: (random, _n, { client, linked }) => ({
    client_id: client.id,
    linked_client_id: linked.id,
    link_type: random.pick(['spouse', 'parent', 'company', 'attorney']),
    is_confirmed: random.chance(0.7),
    created_at: instant(random),
  }),
  change: (random) => ({ is_confirmed: random.chance(0.9) }),
})

const products = sampleTable(tables.products, {
  share: 1,
  row: (random, n) => ({
    code: `P-${n}`,
    name: sentence(random, 2, 5),
    asset_class: random.pick(['equity', 'bond', 'fund', 'structured', 'cash']),
    risk_level: random.between(1, 7),
    currency: random.pick(CURRENCIES),
    minimum_amount: decimal(random, 1_000_000, 2),
    terms: json(random, 'fees', 'notice'),
    is_active: random.chance(0.9),
  }),
  change: (random) => ({ minimum_amount: decimal(random, 1_000_000, 2), is_active: random.chance(0.8) }),
})

const tasks = sampleTable(tables.tasks, {
  share: 10,
  parents: { client: optional(clients, 0.1) },
  row: (random, _n, { client }) => ({
    client_id: client?.id ?? null,
    title: sentence(random, 3, 8),
    description: longTextOrNull(random, 0.3),
    status: random.pick(TASK_STATES),
    priority: random.between(1, 5),
    assigned_to: maybe(random, () => random.pick(PEOPLE)),
    due_on: maybe(random, () => day(random)),
    labels: arrayText(random.some(['review', 'kyc', 'with "quotes"', 'größe'], 3)),
    created_at: instant(random),
    completed_at: maybe(random, () => instant(random), 0.6),
  }),
  change: (random) => ({
    status: random.pick(TASK_STATES),
    priority: random.between(1, 5),
    completed_at: maybe(random, () => instant(random), 0.5),
  }),
})

const documents = sampleTable(tables.documents, {
  share: 8,
  parents: { client: clients },
  row: (random, _n, { client }) => ({
    client_id: client.id,
    file_name: `${sentence(random, 1, 3)}.pdf`,
    content_type: random.pick(['application/pdf', 'image/png', 'text/plain']),
    size_bytes: random.between(0, 2_000_000_000) * 3,
    sha256: `\\x${random.uuid().replaceAll('-', '')}${random.uuid().replaceAll('-', '')}`,
    summary: longTextOrNull(random, 0.3),
    status: random.pick(['received', 'classified', 'archived']),
    category: maybe(random, () => random.pick(['contract', 'identity', 'statement', 'correspondence'])),
    uploaded_at: instant(random),
    updated_at: instant(random),
  }),
  change: (random) => ({
    status: random.pick(['classified', 'archived']),
    category: random.pick(['contract', 'identity', 'statement', 'correspondence']),
    updated_at: instant(random),
  }),
})

const interactions = sampleTable(tables.interactions, {
  share: 10,
  parents: { client: clients },
  row: (random, _n, { client }) => ({
    client_id: client.id,
    channel: random.pick(['meeting', 'call', 'email', 'chat']),
    subject: sentence(random, 3, 8),
    notes: longTextOrNull(random, 0.2),
    sentiment: maybe(random, () => `${random.chance(0.5) ? '-' : ''}0.${random.between(100, 999)}`),
    participants: arrayText(random.some(PEOPLE, 4)),
    occurred_at: instant(random),
    duration: maybe(random, () => `${random.between(1, 120)} minutes`),
  }),
  change: (random) => ({ notes: longTextOrNull(random, 0.2), sentiment: `0.${random.between(100, 999)}` }),
})

const relationships = sampleTable(tables.relationships, {
  share: 6,
  parents: { client: clients },
  row: (random, _n, { client }) => ({
    client_id: client.id,
    manager: random.pick(PEOPLE),
    role: random.pick(['primary', 'deputy', 'specialist']),
    strength: maybe(random, () => random.fraction()),
    valid_during: `[${day(random)},)`,
    updated_at: instant(random),
  }),
  change: (random) => ({ manager: random.pick(PEOPLE), strength: random.fraction(), updated_at: instant(random) }),
})

const riskProfiles = sampleTable(tables.riskProfiles, {
  share: 4,
  parents: { client: distinct(clients) },
  row: (random, _n, { client }) => ({
    client_id: client.id,
    risk_level: random.between(1, 7),
    score: decimal(random, 99, 3),
    answers: json(random, 'horizon', 'experience', 'losses'),
    valid_until: day(random),
    updated_at: instant(random),
  }),
  change: (random) => ({ risk_level: random.between(1, 7), score: decimal(random, 99, 3), updated_at: instant(random) }),
})

const suitabilityAssessments = sampleTable(tables.suitabilityAssessments, {
  share: 5,
  parents: { profile: riskProfiles, product: optional(products, 0.05) },
  row: (random, _n, { profile, product }) => ({
    risk_profile_id: profile.id,
    product_id: product?.id ?? null,
    is_suitable: random.chance(0.7),
    reason: sentence(random, 5, 20),
    assessed_at: instant(random),
  }),
  change: (random) => ({ is_suitable: random.chance(0.5), reason: sentence(random, 5, 20) }),
})

const auditEvents = sampleTable(tables.auditEvents, {
  share: 12,
  row: (random) => ({
    actor: random.pick(PEOPLE),
    action: random.pick(['read', 'create', 'update', 'delete', 'export']),
    entity_type: random.pick(['client', 'document', 'task', 'product']),
    entity_id: maybe(random, () => random.uuid()),
    payload: json(random, 'before', 'after'),
    client_ip: maybe(random, () => random.pick(['10.0.0.7', '192.168.0.0/24', '2001:db8::1'])),
    occurred_at: instant(random),
  }),
  isInsertOnly: true,
})

const plugins = sampleTable(tables.plugins, {
  share: 0.2,
  row: (random, n) => ({
    name: `plugin-${n}`,
    version: `${random.between(0, 9)}.${random.between(0, 20)}.0`,
    manifest: json(random, 'description', 'entry'),
    is_enabled: random.chance(0.8),
    registered_at: instant(random),
  }),
  change: (random) => ({ version: `${random.between(0, 9)}.${random.between(0, 20)}.0`, is_enabled: random.chance(0.8) }),
})

const tenantPlugins = sampleTable(tables.tenantPlugins, {
  share: 1,
  parents: { plugin: plugins },
  row: (random, n, { plugin }) => ({
    tenant_id: `tenant-${n}`,
    plugin_id: plugin.id,
    configuration: json(random, 'endpoint', 'mode'),
    is_enabled: random.chance(0.8),
    updated_at: instant(random),
  }),
  change: (random) => ({ is_enabled: random.chance(0.5), updated_at: instant(random) }),
})

const pluginEventRegistry = sampleTable(tables.pluginEventRegistry, {
  share: 1,
  parents: { plugin: plugins },
  row: (random, n, { plugin }) => ({
    plugin_id: plugin.id,
    event_type: `client.event_${n}`,
    direction: random.pick(['emits', 'handles']),
    event_schema: json(random, 'title', 'type'),
  }),
  change: (random) => ({ direction: random.pick(['emits', 'handles']), event_schema: json(random, 'title', 'type') }),
})

const eventMappings = sampleTable(tables.eventMappings, {
  share: 1,
  parents: { event: pluginEventRegistry },
  row: (random, _n, { event }) => ({
    registry_id: event.id,
    target_topic: `plugins.${random.pick(['crm', 'mail', 'risk'])}`,
    field_mapping: json(random, 'id', 'name'),
    priority: random.between(0, 1_000),
    is_active: random.chance(0.9),
  }),
  change: (random) => ({ priority: random.between(0, 1_000), is_active: random.chance(0.5) }),
})

export default systemDemo({
  system,
  tables: [
    clients,
    clientLinks,
    products,
    tasks,
    documents,
    interactions,
    relationships,
    riskProfiles,
    suitabilityAssessments,
    auditEvents,
    plugins,
    tenantPlugins,
    pluginEventRegistry,
    eventMappings,
  ],
})
