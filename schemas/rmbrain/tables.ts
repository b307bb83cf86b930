/** The tables of the one database that the services come from, see `monolith/0001_rmbrain.sql`. */
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
  varchar,
} from '@sluice/system'

export const clients = table('clients', {
  aggregate: 'Client',
  key: ['id'],
  topic: topic('rmbrain.clients'),
  columns: {
    id: uuid(),
    full_name: text(),
    email: text(),
    phone: text().nullable(),
    segment: text(),
    status: text(),
    assets_under_management: numeric(16, 2).nullable(),
    preferences: jsonb(),
    onboarded_on: date().nullable(),
    created_at: timestamptz(),
    updated_at: timestamptz(),
  },
})

export const clientLinks = table('client_links', {
  aggregate: 'ClientLink',
  key: ['id'],
  topic: topic('rmbrain.client_links'),
  columns: {
    id: uuid(),
    client_id: uuid(),
    linked_client_id: uuid(),
    link_type: text(),
    is_confirmed: boolean(),
    created_at: timestamptz(),
  },
})

export const products = table('products', {
  aggregate: 'Product',
  key: ['id'],
  topic: topic('rmbrain.products'),
  columns: {
    id: uuid(),
    code: text(),
    name: text(),
    asset_class: text(),
    risk_level: smallint(),
    currency: varchar(3),
    minimum_amount: numeric(14, 2),
    terms: jsonb(),
    is_active: boolean(),
  },
})

export const tasks = table('tasks', {
  aggregate: 'Task',
  key: ['id'],
  topic: topic('rmbrain.tasks'),
  columns: {
    id: uuid(),
    client_id: uuid().nullable(),
    title: text(),
    description: text().nullable(),
    status: text(),
    priority: smallint(),
    assigned_to: text().nullable(),
    due_on: date().nullable(),
    labels: arrayOf(text()),
    created_at: timestamptz(),
    completed_at: timestamptz().nullable(),
  },
})

export const documents = table('documents', {
  aggregate: 'Document',
  key: ['id'],
  topic: topic('rmbrain.documents'),
  columns: {
    id: uuid(),
    client_id: uuid(),
    file_name: text(),
    content_type: text(),
    size_bytes: bigint(),
    sha256: bytea(),
    summary: text().nullable(),
    status: text(),
    category: text().nullable(),
    uploaded_at: timestamptz(),
    updated_at: timestamptz(),
  },
})

export const interactions = table('interactions', {
  aggregate: 'Interaction',
  key: ['id'],
  topic: topic('rmbrain.interactions'),
  columns: {
    id: uuid(),
    client_id: uuid(),
    channel: text(),
    subject: text(),
    notes: text().nullable(),
    sentiment: numeric(4, 3).nullable(),
    participants: arrayOf(text()),
    occurred_at: timestamptz(),
    duration: other('interval').nullable(),
  },
})

export const relationships = table('relationships', {
  aggregate: 'Relationship',
  key: ['id'],
  topic: topic('rmbrain.relationships'),
  columns: {
    id: uuid(),
    client_id: uuid(),
    manager: text(),
    role: text(),
    strength: double().nullable(),
    valid_during: other('daterange'),
    updated_at: timestamptz(),
  },
})

export const riskProfiles = table('risk_profiles', {
  aggregate: 'RiskProfile',
  key: ['id'],
  topic: topic('rmbrain.risk_profiles'),
  columns: {
    id: uuid(),
    client_id: uuid(),
    risk_level: smallint(),
    score: numeric(6, 3),
    answers: jsonb(),
    valid_until: date(),
    updated_at: timestamptz(),
  },
})

export const suitabilityAssessments = table('suitability_assessments', {
  aggregate: 'SuitabilityAssessment',
  key: ['id'],
  topic: topic('rmbrain.suitability_assessments'),
  columns: {
    id: uuid(),
    risk_profile_id: uuid(),
    product_id: uuid().nullable(),
    is_suitable: boolean(),
    reason: text(),
    assessed_at: timestamptz(),
  },
})

export const auditEvents = table('audit_events', {
  aggregate: 'AuditEvent',
  key: ['id'],
  topic: topic('rmbrain.audit_events', { partitions: 6 }),
  columns: {
    id: bigint(),
    actor: text(),
    action: text(),
    entity_type: text(),
    entity_id: uuid().nullable(),
    payload: jsonb(),
    client_ip: other('inet').nullable(),
    occurred_at: timestamptz(),
  },
})

export const plugins = table('plugins', {
  aggregate: 'Plugin',
  key: ['id'],
  topic: topic('rmbrain.plugins'),
  columns: {
    id: uuid(),
    name: text(),
    version: text(),
    manifest: jsonb(),
    is_enabled: boolean(),
    registered_at: timestamptz(),
  },
})

export const tenantPlugins = table('tenant_plugins', {
  aggregate: 'TenantPlugin',
  key: ['tenant_id', 'plugin_id'],
  topic: topic('rmbrain.tenant_plugins'),
  columns: {
    tenant_id: text(),
    plugin_id: uuid(),
    configuration: jsonb(),
    is_enabled: boolean(),
    updated_at: timestamptz(),
  },
})

export const pluginEventRegistry = table('plugin_event_registry', {
  aggregate: 'PluginEvent',
  key: ['id'],
  topic: topic('rmbrain.plugin_event_registry'),
  columns: { id: uuid(), plugin_id: uuid(), event_type: text(), direction: text(), event_schema: jsonb() },
})

export const eventMappings = table('event_mappings', {
  aggregate: 'EventMapping',
  key: ['id'],
  topic: topic('rmbrain.event_mappings'),
  columns: {
    id: uuid(),
    registry_id: uuid(),
    target_topic: text(),
    field_mapping: jsonb(),
    priority: integer(),
    is_active: boolean(),
  },
})
