/**
 * Rights that people gave in the database of a service, beside its migrations and its definition: one that is made anew gets them, too.
 *
 * Carried are rights of others than the owner on schemas, tables, views, columns, sequences and routines that are in both databases, and
 * what is given by default on what is made later. A right that everybody has unless it is taken, and that was taken, is taken again: a
 * new database never allows what the old one refused. Rights on what is in the old database alone go with it, and are named.
 */
import { SluiceError } from '@sluice/core'
import { type PostgresTarget, sqlStateOf, withConnection } from '@sluice/postgres'
import type { ClientBase } from 'pg'

const SESSION = { applicationName: 'sluice provision' }

export interface CarriedRights {
  /** Statements that were run; none where migrations and the definition had given everything. */
  readonly carried: readonly string[]
  /** `SELECT on TABLE public.notes to ann`: what it was on is not in the new database. */
  readonly left: readonly string[]
}

/** Something that rights are given on. */
interface Holder {
  /** As SQL names a role, with its quotes. What an owner may do is no right that somebody gave. */
  readonly owner: string
  /** As GRANT names it, `TABLE public.orders`. */
  readonly on: string
  /** Set if it is a column. */
  readonly column: string | null
  /** What stands before GRANT and REVOKE for rights that are given by default; empty for all others. */
  readonly prefix: string
  /** `SCHEMA sales`, where rights by default are for one schema alone. */
  readonly within: string | null
  readonly rights: readonly Right[]
  /** Privileges that everybody has unless they are taken. */
  readonly everybodys: readonly string[]
}

interface Right {
  readonly role: string
  readonly privilege: string
  readonly grantable: boolean
}

/** Neither PostgreSQL's own nor an extension's. */
const IS_OWN = (catalog: string, oid: string): string => `n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = '${catalog}'::regclass AND d.objid = ${oid} AND d.deptype = 'e')`

const NAMED_RIGHTS = (acl: string): string => `coalesce((SELECT jsonb_agg(jsonb_build_object(
    'role', CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
    'privilege', a.privilege_type, 'grantable', a.is_grantable)) FROM aclexplode(${acl}) a), '[]')`

const EVERYBODYS = (acl: string): string => `ARRAY(SELECT a.privilege_type FROM aclexplode(${acl}) a WHERE a.grantee = 0)`

/** https://www.postgresql.org/docs/17/ddl-priv.html */
const HOLDERS = `
  SELECT quote_ident(pg_get_userbyid(own.owner)) AS owner, own.on, own.column, '' AS prefix, NULL AS within,
    ${NAMED_RIGHTS('coalesce(own.acl, own.initial)')} AS rights, ${EVERYBODYS('own.initial')} AS everybodys
  FROM (
    -- A new database comes with rights for everybody on schema public, which PostgreSQL's defaults do not name.
    SELECT format('SCHEMA %I', n.nspname) AS on, NULL AS column, n.nspacl AS acl, n.nspowner AS owner,
      CASE n.nspname WHEN 'public' THEN ARRAY[makeaclitem(0, n.nspowner, 'USAGE', false), makeaclitem(0, n.nspowner, 'CREATE', false)]
        ELSE acldefault('n', n.nspowner) END AS initial
    FROM pg_catalog.pg_namespace n WHERE ${IS_OWN('pg_namespace', 'n.oid')}
    UNION ALL
    SELECT format('%s %I.%I', CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, n.nspname, c.relname), NULL, c.relacl, c.relowner,
      acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner)
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND ${IS_OWN('pg_class', 'c.oid')}
    UNION ALL
    SELECT format('TABLE %I.%I', n.nspname, c.relname), quote_ident(t.attname), t.attacl, c.relowner, NULL
    FROM pg_catalog.pg_attribute t JOIN pg_catalog.pg_class c ON c.oid = t.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND t.attnum > 0 AND NOT t.attisdropped AND ${IS_OWN('pg_class', 'c.oid')}
    UNION ALL
    SELECT format('ROUTINE %I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)), NULL, p.proacl, p.proowner,
      acldefault('f', p.proowner)
    FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE ${IS_OWN('pg_proc', 'p.oid')}
  ) AS own`

/** Entries of one schema add to those of all; only the latter can take what everybody has. */
const DEFAULTS = `
  SELECT quote_ident(pg_get_userbyid(d.defaclrole)) AS owner,
    CASE d.defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'ROUTINES' WHEN 'T' THEN 'TYPES' ELSE 'SCHEMAS' END
      AS on, NULL AS column,
    format('ALTER DEFAULT PRIVILEGES FOR ROLE %I ', pg_get_userbyid(d.defaclrole))
      || CASE WHEN n.oid IS NULL THEN '' ELSE format('IN SCHEMA %I ', n.nspname) END AS prefix,
    CASE WHEN n.oid IS NOT NULL THEN format('SCHEMA %I', n.nspname) END AS within,
    ${NAMED_RIGHTS('d.defaclacl')} AS rights,
    CASE WHEN n.oid IS NULL THEN ${EVERYBODYS(`acldefault(CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END, d.defaclrole)`)} ELSE '{}' END
      AS everybodys
  FROM pg_catalog.pg_default_acl d LEFT JOIN pg_catalog.pg_namespace n ON n.oid = d.defaclnamespace`

/**
 * Gives in one transaction what the new database lacks; runs after migrations and the definition's rights.
 *
 * @throws SluiceError SLU-5006 with the statements that the role of the URL may not run
 */
export async function carryRights(old: PostgresTarget, beside: PostgresTarget): Promise<CarriedRights> {
  const had = await withConnection(old, SESSION, holdersIn)
  return withConnection(beside, SESSION, async (client) => {
    const { statements, left } = lacking(had, await holdersIn(client))
    if (statements.length === 0) return { carried: [], left }
    try {
      await client.query(statements.join('; '))
    } catch (error) {
      if (sqlStateOf(error) !== '42501') throw error
      throw notCarried(old, statements, error)
    }
    // PostgreSQL only warns where a role may give a part of what it gives.
    const after = lacking(had, await holdersIn(client))
    if (after.statements.length > 0) throw notCarried(old, after.statements)
    return { carried: statements, left }
  })
}

async function holdersIn(client: ClientBase): Promise<readonly Holder[]> {
  const { rows } = await client.query<Holder>(`${HOLDERS} UNION ALL ${DEFAULTS}`)
  return rows
}

function lacking(
  had: readonly Holder[],
  has: readonly Holder[],
): { readonly statements: readonly string[]; readonly left: readonly string[] } {
  const found = new Map(has.map((holder) => [keyOf(holder), holder]))
  const names = new Set(has.map(({ on }) => on))
  const statements: string[] = []
  const left: string[] = []
  for (const holder of had) {
    const there = found.get(keyOf(holder)) ?? beforeAny(holder, names)
    if (there === null) left.push(...givenOn(holder))
    else statements.push(...grants(holder, there), ...revocations(holder, there))
  }
  return { statements, left }
}

const keyOf = ({ prefix, on, column }: Holder): string => JSON.stringify([prefix, on, column])

/** Rights by default need nothing but their role and schema; before any are given everybody has PostgreSQL's. */
function beforeAny(holder: Holder, names: ReadonlySet<string>): Holder | null {
  if (holder.prefix === '' || (holder.within !== null && !names.has(holder.within))) return null
  return { ...holder, rights: holder.everybodys.map((privilege) => ({ role: 'PUBLIC', privilege, grantable: false })) }
}

function givenOn({ owner, within, on, column, rights, everybodys }: Holder): readonly string[] {
  return rights
    .filter(({ role, privilege }) => role !== owner && (role !== 'PUBLIC' || !everybodys.includes(privilege)))
    .map(
      ({ role, privilege }) =>
        `${privilege} on ${within === null ? on : `${on} of ${within}`}${column === null ? '' : ` (${column})`} to ${role}`,
    )
}

function grants(holder: Holder, there: Holder): readonly string[] {
  const { owner, prefix, on, rights } = holder
  return rights
    .filter(({ role }) => role !== owner)
    .filter((right) => !there.rights.some((other) => isSame(other, right) && (other.grantable || !right.grantable)))
    .map(({ role, privilege, grantable }) => {
      const what = holder.column === null ? privilege : `${privilege} (${holder.column})`
      return `${prefix}GRANT ${what} ON ${on} TO ${role}${grantable ? ' WITH GRANT OPTION' : ''}`
    })
}

function revocations({ prefix, on, rights, everybodys }: Holder, there: Holder): readonly string[] {
  return everybodys
    .map((privilege) => ({ role: 'PUBLIC', privilege }))
    .filter((right) => there.rights.some((other) => isSame(other, right)) && !rights.some((other) => isSame(other, right)))
    .map(({ privilege }) => `${prefix}REVOKE ${privilege} ON ${on} FROM PUBLIC`)
}

function isSame(a: Omit<Right, 'grantable'>, b: Omit<Right, 'grantable'>): boolean {
  return a.role === b.role && a.privilege === b.privilege
}

function notCarried(old: PostgresTarget, statements: readonly string[], cause?: unknown): SluiceError {
  return new SluiceError('ROLE_MISSING', {
    what: `${old.display} is not made anew`,
    why: `it has rights that the role of the URL may not give in the new one: ${statements.slice(0, 3).join('; ')}${statements.length > 3 ? ` and ${statements.length - 3} more` : ''}`,
    ways: ['call it with the URL of a role that may, or take these rights in the old one, and give them again afterwards'],
    ...(cause === undefined ? {} : { cause }),
  })
}
