-- Up Migration

CREATE TABLE clients (
  id uuid PRIMARY KEY,
  full_name text NOT NULL,
  email text NOT NULL UNIQUE,
  phone text,
  segment text NOT NULL CHECK (segment IN ('retail', 'affluent', 'private', 'institutional')),
  status text NOT NULL CHECK (status IN ('prospect', 'active', 'dormant', 'closed')),
  assets_under_management numeric(16, 2),
  preferences jsonb NOT NULL DEFAULT '{}',
  onboarded_on date,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL
);
CREATE INDEX clients_segment ON clients (segment, status);

-- Who belongs to whom: households, companies, powers of attorney.
CREATE TABLE client_links (
  id uuid PRIMARY KEY,
  client_id uuid NOT NULL REFERENCES clients,
  linked_client_id uuid NOT NULL REFERENCES clients,
  link_type text NOT NULL CHECK (link_type IN ('spouse', 'parent', 'company', 'attorney')),
  is_confirmed boolean NOT NULL,
  created_at timestamptz NOT NULL
);
CREATE INDEX client_links_client ON client_links (client_id);
CREATE INDEX client_links_linked_client ON client_links (linked_client_id);

-- Down Migration

DROP TABLE client_links, clients;
