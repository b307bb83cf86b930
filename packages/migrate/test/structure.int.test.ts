import { type TestDatabase, createTestDatabase } from '@sluice/infra'
import { connect, postgresTarget } from '@sluice/postgres'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compareStructures } from '../src/structure/compare-structures.ts'
import { structureSeenBy } from '../src/structure/read-structure.ts'
import { type Structure, withoutLatePartitions } from '../src/structure/structure.ts'

let database: TestDatabase
let client: pg.Client
let expected: Structure

const SCHEMA = `
  CREATE TYPE risk AS ENUM ('low', 'high');
  CREATE DOMAIN email AS text CHECK (VALUE LIKE '%@%');
  CREATE SEQUENCE tickets START 100;
  CREATE TABLE clients (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant uuid NOT NULL,
    name text NOT NULL DEFAULT 'nobody',
    email email,
    risk risk NOT NULL DEFAULT 'low',
    name_upper text GENERATED ALWAYS AS (upper(name)) STORED,
    CONSTRAINT named CHECK (name <> '')
  );
  CREATE TABLE client_links (id serial PRIMARY KEY, client bigint REFERENCES clients (id) ON DELETE CASCADE, unique (client, id));
  CREATE INDEX clients_name ON clients (tenant, lower(name)) WHERE risk = 'high';
  ALTER TABLE clients ENABLE ROW LEVEL SECURITY;
  CREATE POLICY tenants ON clients USING (tenant = current_setting('app.current_tenant_id')::uuid);
  CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
  CREATE TRIGGER touched BEFORE UPDATE ON clients FOR EACH ROW EXECUTE FUNCTION touch();
  CREATE VIEW risky AS SELECT id, name FROM clients WHERE risk = 'high';
  CREATE TABLE events (day date NOT NULL, id int NOT NULL, PRIMARY KEY (day, id)) PARTITION BY RANGE (day);
  CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
`

/** The structure after a statement, which is rolled back. */
async function after(statement: string): Promise<Structure> {
  await client.query(`BEGIN; ${statement}`)
  try {
    return await structureSeenBy(client)
  } finally {
    await client.query('ROLLBACK')
  }
}

beforeAll(async () => {
  database = await createTestDatabase(process.env['SLUICE_TEST_SERVICES_URL']!, 'migrate structure')
  client = await connect(postgresTarget('structure', database.url), { applicationName: 'migrate test' })
  await client.query(SCHEMA)
  expected = await after('')
})

afterAll(async () => {
  await client.end()
  await database.drop()
})

test('two looks at one database do not differ', async () => {
  expect(compareStructures(expected, await after(''))).toEqual([])
  expect(new Set([...expected.values()].map((item) => item.kind)).size).toBeGreaterThanOrEqual(9)
})

describe('what was changed is named', () => {
  test.each<[string, string, object[]]>([
    [
      'a column that was added',
      'ALTER TABLE clients ADD COLUMN phone text',
      [{ kind: 'column', name: 'public.clients.phone', problem: 'unexpected' }],
    ],
    [
      'a column that was dropped',
      'ALTER TABLE clients DROP COLUMN email',
      [{ kind: 'column', name: 'public.clients.email', problem: 'missing' }],
    ],
    [
      'a column of another type',
      'ALTER TABLE client_links ALTER COLUMN id TYPE bigint',
      [{ name: 'public.client_links.id', facets: [{ facet: 'type', expected: 'integer', found: 'bigint' }] }],
    ],
    [
      'a column that may be null, and a default that is gone',
      'ALTER TABLE clients ALTER COLUMN name DROP NOT NULL, ALTER COLUMN name DROP DEFAULT',
      [
        {
          name: 'public.clients.name',
          facets: [
            { facet: 'null', expected: 'no', found: 'yes' },
            { facet: 'default', expected: `'nobody'::text`, found: null },
          ],
        },
      ],
    ],
    [
      'an identity that is gone',
      'ALTER TABLE clients ALTER COLUMN id DROP IDENTITY',
      [{ name: 'public.clients.id', problem: 'different' }],
    ],
    [
      'a constraint that is gone',
      'ALTER TABLE clients DROP CONSTRAINT named',
      [{ kind: 'constraint', name: 'named on public.clients', problem: 'missing' }],
    ],
    [
      'a foreign key that does something else',
      `ALTER TABLE client_links DROP CONSTRAINT client_links_client_fkey, ADD FOREIGN KEY (client) REFERENCES clients (id)`,
      [{ kind: 'constraint', name: 'client_links_client_fkey on public.client_links', problem: 'different' }],
    ],
    [
      'an index that is gone',
      'DROP INDEX clients_name',
      [{ kind: 'index', name: 'clients_name on public.clients', problem: 'missing' }],
    ],
    [
      'an index that nobody asked for',
      'CREATE INDEX fast ON clients (email)',
      [{ kind: 'index', name: 'fast on public.clients', problem: 'unexpected' }],
    ],
    [
      'row security that is off',
      'ALTER TABLE clients DISABLE ROW LEVEL SECURITY',
      [{ kind: 'table', facets: [{ facet: 'row security', expected: 'on', found: 'off' }] }],
    ],
    [
      'a policy that lets everybody see',
      'ALTER POLICY tenants ON clients USING (true)',
      [{ kind: 'policy', facets: [{ facet: 'using', found: 'true' }] }],
    ],
    [
      'a policy for one role',
      'ALTER POLICY tenants ON clients TO CURRENT_USER',
      [{ kind: 'policy', facets: [{ facet: 'roles', expected: 'PUBLIC' }] }],
    ],
    ['an extension that is there', 'CREATE EXTENSION pg_trgm', [{ kind: 'extension', name: 'pg_trgm', problem: 'unexpected' }]],
    [
      'a trigger that was switched off',
      'ALTER TABLE clients DISABLE TRIGGER touched',
      [{ kind: 'trigger', facets: [{ facet: 'fires', expected: 'on', found: 'never' }] }],
    ],
    [
      'a trigger that is gone',
      'DROP TRIGGER touched ON clients',
      [{ kind: 'trigger', name: 'touched on public.clients', problem: 'missing' }],
    ],
    [
      'a function with another body',
      `CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$`,
      [{ kind: 'function' }],
    ],
    ['an enum with one more label', `ALTER TYPE risk ADD VALUE 'none'`, [{ kind: 'type', facets: [{ facet: 'labels' }] }]],
    ['a domain without its check', 'ALTER DOMAIN email DROP CONSTRAINT email_check', [{ kind: 'type', name: 'public.email' }]],
    [
      'a sequence that steps otherwise',
      'ALTER SEQUENCE tickets INCREMENT 10',
      [{ kind: 'sequence', facets: [{ facet: 'increment', expected: '1', found: '10' }] }],
    ],
    [
      'a view that shows more',
      'CREATE OR REPLACE VIEW risky AS SELECT id, name FROM clients',
      [{ kind: 'view', name: 'public.risky' }],
    ],
    [
      'a table that is gone, without its parts beside it',
      'DROP TABLE client_links',
      [{ kind: 'table', name: 'public.client_links', problem: 'missing' }],
    ],
    [
      'a table that is there, without its parts beside it',
      'CREATE TABLE extra (id int PRIMARY KEY)',
      [{ kind: 'table', name: 'public.extra', problem: 'unexpected' }],
    ],
    ['a partition that is gone', 'DROP TABLE events_2026', [{ kind: 'table', name: 'public.events_2026', problem: 'missing' }]],
  ])('%s', async (_what, statement, differences) => {
    const found = compareStructures(expected, await after(statement))
    expect(found).toMatchObject(differences)
    expect(found).toHaveLength(differences.length)
  })

  test('partitions that come with the data are left out', async () => {
    const next = await after(`CREATE TABLE events_2027 PARTITION OF events FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')`)
    expect(next.size).toBe(expected.size + 1)
    expect(compareStructures(expected, withoutLatePartitions(next, expected))).toEqual([])
  })
})
