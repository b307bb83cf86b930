import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { draftMigration, migrateServices, nextMigrationName, writeMigration } from '../src/index.ts'
import { type ServiceFixture, createService } from './service-fixture.ts'

const signal = new AbortController().signal
let service: ServiceFixture
let other: ServiceFixture

const BEFORE = `
  CREATE TYPE risk AS ENUM ('low', 'high');
  CREATE TABLE clients (
    id integer PRIMARY KEY,
    tenant uuid NOT NULL,
    name text NOT NULL DEFAULT 'nobody',
    risk risk NOT NULL DEFAULT 'low',
    score integer,
    fax text,
    CONSTRAINT named CHECK (name <> '')
  );
  CREATE INDEX clients_name ON clients (name);
  CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
  CREATE VIEW names AS SELECT id, name FROM clients;
`
const AFTER = `
  CREATE EXTENSION pg_trgm;
  CREATE SCHEMA archive;
  CREATE TYPE risk AS ENUM ('none', 'low', 'middle', 'high');
  CREATE DOMAIN email AS text CHECK (VALUE LIKE '%@%');
  CREATE TABLE clients (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant uuid NOT NULL,
    name varchar(200) NOT NULL,
    risk risk NOT NULL DEFAULT 'low',
    score numeric(10, 2) DEFAULT 0 NOT NULL,
    email email,
    name_upper text GENERATED ALWAYS AS (upper(name::text)) STORED,
    CONSTRAINT named CHECK (length(name) > 1)
  );
  CREATE TABLE client_links (id serial PRIMARY KEY, client bigint NOT NULL REFERENCES clients (id), other bigint REFERENCES clients (id));
  CREATE TABLE archive.events (day date NOT NULL, id int NOT NULL, PRIMARY KEY (day, id)) PARTITION BY RANGE (day);
  CREATE TABLE archive.events_2026 PARTITION OF archive.events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
  CREATE INDEX events_day ON archive.events (day);
  CREATE INDEX clients_name ON clients (tenant, lower(name));
  ALTER TABLE clients ENABLE ROW LEVEL SECURITY;
  ALTER TABLE clients FORCE ROW LEVEL SECURITY;
  ALTER TABLE client_links REPLICA IDENTITY FULL;
  CREATE POLICY tenants ON clients AS RESTRICTIVE FOR UPDATE USING (tenant = current_setting('app.current_tenant_id')::uuid) WITH CHECK (true);
  CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := 'a'; RETURN NEW; END $$;
  CREATE TRIGGER touched BEFORE UPDATE ON clients FOR EACH ROW EXECUTE FUNCTION touch();
  ALTER TABLE clients DISABLE TRIGGER touched;
  CREATE TABLE a_link_notes (link integer REFERENCES client_links (id), note text);
  CREATE VIEW z_base AS SELECT id, name FROM clients;
  CREATE VIEW a_top AS SELECT name FROM z_base;
  CREATE VIEW risky AS SELECT id, name FROM clients WHERE risk = 'high';
  CREATE MATERIALIZED VIEW risks AS SELECT risk, count(*) AS clients FROM clients GROUP BY risk;
  CREATE UNIQUE INDEX risks_risk ON risks (risk);
  ALTER TABLE processed_events ADD COLUMN note text;
`

/** Writes the draft as the next migration, and tells its name. */
async function keep(text: string): Promise<string> {
  const name = await nextMigrationName(service.definition.migrations, 'drafted')
  await writeMigration(service.definition.migrations, name, text)
  return name
}

async function schemaFile(sql: string): Promise<string> {
  const file = path.join(fileURLToPath(service.definition.migrations), '..', `${service.target.database}.sql`)
  await writeFile(file, sql)
  return file
}

beforeEach(async () => {
  service = await createService('cds_client')
  other = await createService('cds_other')
  await service.write('0001_init', BEFORE, 'DROP VIEW names; DROP TABLE clients; DROP FUNCTION touch(); DROP TYPE risk;')
})

afterEach(() => Promise.all([service.drop(), other.drop()]))

describe('a draft', () => {
  test('turns what the migrations make into what another database has, and back again', async () => {
    await other.write('0001_all', AFTER)
    await migrateServices({ services: [other], isDryRun: false, signal })
    const draft = await draftMigration(service, { kind: 'database', target: other.target })
    expect(draft).toMatchObject({ byHand: [], up: { failure: null, left: [] }, down: { failure: null, left: [] } })
    // Applied for real, nothing is left to draft.
    await keep(draft!.text)
    expect((await migrateServices({ services: [service], isDryRun: false, signal }))[0]!.outcome).toBe('migrated')
    expect(await draftMigration(service, { kind: 'database', target: other.target })).toBeNull()
  })

  test('warns of what loses values, and of what fails on rows', async () => {
    const file = await schemaFile(BEFORE.replace('fax text,', 'telefax text NOT NULL,'))
    const draft = await draftMigration(service, { kind: 'file', path: file })
    expect(draft!.differences.map((d) => `${d.name} ${d.problem}`)).toEqual([
      'public.clients.telefax missing',
      'public.clients.fax unexpected',
    ])
    expect(draft!.text).toContain(
      'If it has another name now, write ALTER TABLE ... RENAME instead.\nALTER TABLE public.clients DROP COLUMN fax;',
    )
    expect(draft!.text).toContain('Fails where the table has rows')
  })

  test('warns where the cast to another type would cut values', async () => {
    const draft = await draftMigration(service, {
      kind: 'file',
      path: await schemaFile(BEFORE.replace('fax text,', 'fax varchar(8),')),
    })
    expect(draft!.text).toMatch(
      /-- The cast cuts, or rounds[^\n]*\nALTER TABLE public.clients ALTER COLUMN fax TYPE character varying\(8\)/,
    )
    expect(draft!.text).toContain(';\n\n-- Down Migration\n\nALTER TABLE public.clients ALTER COLUMN fax TYPE text')
  })

  test('takes what somebody changed by hand into the migrations', async () => {
    await migrateServices({ services: [service], isDryRun: false, signal })
    expect(await draftMigration(service, { kind: 'live' })).toBeNull()
    await service.query('ALTER TABLE clients ADD COLUMN phone text; CREATE INDEX fast ON clients (score)')
    const draft = await draftMigration(service, { kind: 'live' })
    expect(draft!.text).toBe(
      [
        '-- Up Migration',
        'ALTER TABLE public.clients ADD COLUMN phone text;',
        'CREATE INDEX fast ON public.clients USING btree (score);',
        '-- Down Migration',
        'DROP INDEX public.fast;',
        '-- Its values are gone with it. If it has another name now, write ALTER TABLE ... RENAME instead.\nALTER TABLE public.clients DROP COLUMN phone;\n',
      ].join('\n\n'),
    )
  })

  test('reads what pg_dump --schema-only writes', async () => {
    const dumped = `\\restrict abc\nSET statement_timeout = 0;\nSELECT pg_catalog.set_config('search_path', '', false);
CREATE TYPE public.risk AS ENUM ('low', 'high');\nCREATE TABLE public.clients (id integer NOT NULL);\n\\unrestrict abc\n`
    const draft = await draftMigration(service, { kind: 'file', path: await schemaFile(dumped) })
    expect(draft!.up).toEqual({ failure: null, left: [] })
  })

  test('that can not be whole says what is left', async () => {
    const file = await schemaFile(
      BEFORE.replace(`'low', 'high'`, `'low', 'high'`).replace('id integer PRIMARY KEY', 'id integer, PRIMARY KEY (id, risk)') +
        `ALTER TABLE clients REPLICA IDENTITY USING INDEX clients_pkey;`,
    )
    const draft = await draftMigration(service, { kind: 'file', path: file })
    expect(draft!.byHand).toContain('replica identity of table public.clients: index')
    expect(draft!.up.left).toMatchObject([{ kind: 'table', name: 'public.clients', facets: [{ facet: 'replica identity' }] }])
    expect(draft!.text).toContain('-- By hand: replica identity of table public.clients: index')
  })

  test('for a file that does not run says why', async () => {
    const file = await schemaFile('CREATE TABLE a (id nothing);')
    await expect(draftMigration(service, { kind: 'file', path: file })).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      why: 'type "nothing" does not exist',
    })
  })
})

describe('an enum whose labels go', () => {
  test('is made anew, and its columns keep their values', async () => {
    const file = await schemaFile(BEFORE.replace(`'low', 'high'`, `'high', 'low', 'none'`))
    const draft = await draftMigration(service, { kind: 'file', path: file })
    expect(draft).toMatchObject({ byHand: [], up: { failure: null, left: [] }, down: { failure: null, left: [] } })
    await migrateServices({ services: [service], isDryRun: false, signal })
    await service.query(`INSERT INTO clients (id, tenant, risk) VALUES (1, gen_random_uuid(), 'high')`)
    await keep(draft!.text)
    await migrateServices({ services: [service], isDryRun: false, signal })
    expect(await service.query('SELECT risk, enum_range(risk)::text AS labels FROM clients')).toEqual([
      { risk: 'high', labels: '{high,low,none}' },
    ])
  })
})

describe('a new file', () => {
  test('has the next number, with as many digits as the others', async () => {
    expect(await nextMigrationName(service.definition.migrations, 'add_phone')).toBe('0002_add_phone')
    await service.write('00041_more', 'SELECT 1;')
    expect(await nextMigrationName(service.definition.migrations, 'add_phone')).toBe('00042_add_phone')
    await expect(nextMigrationName(service.definition.migrations, 'add phone')).rejects.toMatchObject({ code: 'USAGE' })
  })

  test('never takes the place of one that is there', async () => {
    await expect(writeMigration(service.definition.migrations, '0001_init', '')).rejects.toMatchObject({ code: 'EEXIST' })
  })
})
