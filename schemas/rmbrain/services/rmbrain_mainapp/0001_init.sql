-- Up Migration

CREATE TABLE plugins (
  id uuid PRIMARY KEY,
  name text NOT NULL UNIQUE,
  version text NOT NULL,
  manifest jsonb NOT NULL DEFAULT '{}',
  is_enabled boolean NOT NULL,
  registered_at timestamptz NOT NULL
);

CREATE TABLE tenant_plugins (
  tenant_id text NOT NULL,
  plugin_id uuid NOT NULL REFERENCES plugins,
  configuration jsonb NOT NULL DEFAULT '{}',
  is_enabled boolean NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (tenant_id, plugin_id)
);
CREATE INDEX tenant_plugins_plugin ON tenant_plugins (plugin_id);

-- The events that a plugin gives or takes.
CREATE TABLE plugin_event_registry (
  id uuid PRIMARY KEY,
  plugin_id uuid NOT NULL REFERENCES plugins,
  event_type text NOT NULL,
  direction text NOT NULL CHECK (direction IN ('emits', 'handles')),
  event_schema jsonb NOT NULL DEFAULT '{}',
  UNIQUE (plugin_id, event_type)
);

CREATE TABLE event_mappings (
  id uuid PRIMARY KEY,
  registry_id uuid NOT NULL REFERENCES plugin_event_registry,
  target_topic text NOT NULL,
  field_mapping jsonb NOT NULL DEFAULT '{}',
  priority integer NOT NULL,
  is_active boolean NOT NULL
);
CREATE INDEX event_mappings_registry ON event_mappings (registry_id);

-- Down Migration

DROP TABLE event_mappings, plugin_event_registry, tenant_plugins, plugins;
