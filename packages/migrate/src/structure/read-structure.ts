/** Reads the structure of a database from its catalogs, one statement a kind. https://www.postgresql.org/docs/current/catalogs.html */
import { type PostgresTarget, withConnection } from '@sluice/postgres'
import type pg from 'pg'
import { ITEM_KINDS, type ItemKind, type Structure, type StructureItem, itemKey } from './structure.ts'

/** The schema `sluice` holds what a reader remembers of erased subjects in a source. */
const OWN_SCHEMAS = `n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'sluice')`

const notOfExtension = (catalog: string, oid: string): string =>
  `NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = '${catalog}'::regclass AND e.objid = ${oid} AND e.deptype = 'e')`

const RELATIONS = `pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND ${OWN_SCHEMAS} AND ${notOfExtension('pg_class', 'c.oid')}`
const TABLES = `${RELATIONS} AND c.relkind IN ('r', 'p')`

/** Each gives name, identifier, "table" and facets; a facet that is NULL is left out. */
const QUERIES: Readonly<Record<ItemKind, string>> = {
  extension: `SELECT extname AS name, quote_ident(extname) AS identifier, NULL AS "table",
      jsonb_build_object('schema', n.nspname) AS facets
    FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace WHERE extname <> 'plpgsql'`,

  schema: `SELECT n.nspname AS name, quote_ident(n.nspname) AS identifier, NULL AS "table", '{}'::jsonb AS facets
    FROM pg_namespace n WHERE ${OWN_SCHEMAS} AND n.nspname <> 'public' AND ${notOfExtension('pg_namespace', 'n.oid')}`,

  type: `SELECT format('%s.%s', n.nspname, t.typname) AS name, format('%I.%I', n.nspname, t.typname) AS identifier, NULL AS "table",
      CASE t.typtype
        WHEN 'e' THEN jsonb_build_object('kind', 'enum', 'labels',
          (SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid))
        WHEN 'd' THEN jsonb_build_object('kind', 'domain', 'base', format_type(t.typbasetype, t.typtypmod), 'default', t.typdefault,
          'null', CASE WHEN t.typnotnull THEN 'no' ELSE 'yes' END, 'checks',
          (SELECT string_agg(format('CONSTRAINT %I %s', conname, pg_get_constraintdef(oid)), ' ' ORDER BY conname)
           FROM pg_constraint WHERE contypid = t.oid AND contype = 'c'))
        WHEN 'r' THEN jsonb_build_object('kind', 'range', 'subtype',
          (SELECT format_type(rngsubtype, NULL) FROM pg_range WHERE rngtypid = t.oid))
        ELSE jsonb_build_object('kind', 'composite', 'attributes',
          (SELECT string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum)
           FROM pg_attribute WHERE attrelid = t.typrelid AND attnum > 0 AND NOT attisdropped))
      END AS facets
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND c.relkind = 'c')) AND ${OWN_SCHEMAS}
      AND ${notOfExtension('pg_type', 't.oid')}`,

  // The sequence of an identity column is a part of it.
  sequence: `SELECT format('%s.%s', n.nspname, c.relname) AS name, c.oid::regclass::text AS identifier, NULL AS "table",
      jsonb_build_object('type', format_type(s.seqtypid, NULL), 'start', s.seqstart::text, 'increment', s.seqincrement::text,
        'min', s.seqmin::text, 'max', s.seqmax::text, 'cache', s.seqcache::text, 'cycle', CASE WHEN s.seqcycle THEN 'yes' ELSE 'no' END,
        'owned by', (SELECT format('%s.%I', d.refobjid::regclass, a.attname) FROM pg_depend d
          JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
          WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_class'::regclass AND d.deptype = 'a')) AS facets
    FROM pg_sequence s JOIN pg_class c ON c.oid = s.seqrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE ${OWN_SCHEMAS} AND ${notOfExtension('pg_class', 'c.oid')}
      AND NOT EXISTS (SELECT FROM pg_depend i WHERE i.classid = 'pg_class'::regclass AND i.objid = c.oid AND i.deptype = 'i')`,

  table: `SELECT format('%s.%s', n.nspname, c.relname) AS name, c.oid::regclass::text AS identifier, NULL AS "table",
      jsonb_build_object('kept', CASE c.relpersistence WHEN 'u' THEN 'unlogged' ELSE 'logged' END,
        'partitioned by', CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END,
        'partition of', CASE WHEN c.relispartition THEN (SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = c.oid) END,
        'bounds', pg_get_expr(c.relpartbound, c.oid),
        'row security', CASE WHEN c.relrowsecurity THEN 'on' ELSE 'off' END,
        'row security of the owner', CASE WHEN c.relforcerowsecurity THEN 'on' ELSE 'off' END,
        'replica identity', CASE c.relreplident WHEN 'd' THEN 'default' WHEN 'n' THEN 'nothing' WHEN 'f' THEN 'full' ELSE 'index' END) AS facets
    FROM ${TABLES}`,

  // What a partition has from its parent is the parent's.
  column: `SELECT format('%s.%s.%s', n.nspname, c.relname, a.attname) AS name, quote_ident(a.attname) AS identifier,
      c.oid::regclass::text AS "table",
      jsonb_build_object('type', format_type(a.atttypid, a.atttypmod),
        'collation', CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END,
        'null', CASE WHEN a.attnotnull THEN 'no' ELSE 'yes' END,
        'default', CASE WHEN a.attgenerated = '' THEN pg_get_expr(d.adbin, d.adrelid) END,
        'generated', CASE WHEN a.attgenerated <> '' THEN format('(%s) %s', pg_get_expr(d.adbin, d.adrelid),
          CASE a.attgenerated WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END) END,
        'identity', CASE a.attidentity WHEN 'a' THEN 'ALWAYS' WHEN 'd' THEN 'BY DEFAULT' END) AS facets
    FROM ${TABLES} JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attislocal
      JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    ORDER BY c.oid, a.attnum`,

  function: `SELECT format('%s.%s(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS name,
      format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS identifier, NULL AS "table",
      jsonb_build_object('kind', CASE p.prokind WHEN 'p' THEN 'procedure' ELSE 'function' END,
        'returns', pg_get_function_result(p.oid), 'definition', pg_get_functiondef(p.oid)) AS facets
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE p.prokind IN ('f', 'p', 'w') AND ${OWN_SCHEMAS} AND ${notOfExtension('pg_proc', 'p.oid')}`,

  // NOT NULL is said with the column.
  constraint: `SELECT format('%s on %s.%s', k.conname, n.nspname, c.relname) AS name, quote_ident(k.conname) AS identifier,
      c.oid::regclass::text AS "table",
      jsonb_build_object('definition', pg_get_constraintdef(k.oid)) AS facets
    FROM ${TABLES} JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype IN ('p', 'u', 'f', 'c', 'x')
      AND k.conparentid = 0 AND k.conislocal`,

  index: `SELECT format('%s on %s.%s', i.relname, n.nspname, c.relname) AS name, format('%I.%I', n.nspname, i.relname) AS identifier,
      c.oid::regclass::text AS "table",
      jsonb_build_object('definition', pg_get_indexdef(x.indexrelid), 'state', CASE WHEN x.indisvalid THEN 'valid' ELSE 'invalid' END) AS facets
    FROM ${RELATIONS} AND c.relkind IN ('r', 'p', 'm') JOIN pg_index x ON x.indrelid = c.oid JOIN pg_class i ON i.oid = x.indexrelid AND NOT i.relispartition
    WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x'))`,

  view: `SELECT format('%s.%s', n.nspname, c.relname) AS name, c.oid::regclass::text AS identifier, NULL AS "table",
      jsonb_build_object('kind', CASE c.relkind WHEN 'v' THEN 'view' ELSE 'materialized view' END,
        'definition', pg_get_viewdef(c.oid), 'options', array_to_string(c.reloptions, ', ')) AS facets
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('v', 'm') AND ${OWN_SCHEMAS} AND ${notOfExtension('pg_class', 'c.oid')} ORDER BY c.oid`,

  trigger: `SELECT format('%s on %s.%s', g.tgname, n.nspname, c.relname) AS name, quote_ident(g.tgname) AS identifier,
      c.oid::regclass::text AS "table",
      jsonb_build_object('definition', pg_get_triggerdef(g.oid),
        'fires', CASE g.tgenabled WHEN 'O' THEN 'on' WHEN 'D' THEN 'never' WHEN 'R' THEN 'in replicas' ELSE 'always' END) AS facets
    FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE NOT g.tgisinternal AND g.tgparentid = 0 AND ${OWN_SCHEMAS} AND ${notOfExtension('pg_class', 'c.oid')}`,

  policy: `SELECT format('%s on %s.%s', y.polname, n.nspname, c.relname) AS name, quote_ident(y.polname) AS identifier,
      c.oid::regclass::text AS "table",
      jsonb_build_object('kind', CASE WHEN y.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
        'command', CASE y.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
        'roles', (SELECT string_agg(CASE WHEN r = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r)) END, ', ' ORDER BY r)
          FROM unnest(y.polroles) r),
        'using', pg_get_expr(y.polqual, y.polrelid), 'with check', pg_get_expr(y.polwithcheck, y.polrelid)) AS facets
    FROM ${TABLES} JOIN pg_policy y ON y.polrelid = c.oid`,
}

/** @throws SluiceError SLU-2001 to SLU-2004 */
export async function readStructure(target: PostgresTarget): Promise<Structure> {
  return withConnection(target, { applicationName: 'sluice migrate', statementTimeoutMs: 60_000 }, async (client) => {
    // One state for all statements.
    await client.query('BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY')
    const structure = await structureSeenBy(client)
    await client.query('COMMIT')
    return structure
  })
}

/** The structure as the open transaction of a session sees it; names are without a path from here to its end. */
export async function structureSeenBy(client: pg.ClientBase): Promise<Structure> {
  await client.query(`SET LOCAL search_path = ''`)
  const structure = new Map<string, StructureItem>()
  for (const kind of ITEM_KINDS) {
    const { rows } = await client.query<Omit<StructureItem, 'kind'>>(
      `SELECT name, identifier, "table", jsonb_strip_nulls(facets) AS facets FROM (${QUERIES[kind]}) items`,
    )
    for (const row of rows) structure.set(itemKey({ kind, name: row.name }), { kind, ...row })
  }
  return structure
}
