/**
 * Roles of a service without login, and what they may do with Sluice's own tables there. What they may do with the service's tables
 * is for its migrations to say, which run between the two steps.
 */
import { SluiceError, quoteIdentifier } from '@sluice/core'
import { type PostgresTarget, sqlStateOf } from '@sluice/postgres'
import { PROJECTOR_TABLES, type ServiceRoles } from '@sluice/system'
import type { ClientBase } from 'pg'
import { inDatabase } from './in-database.ts'
import type { ProvisionStep } from './step.ts'

/** Makes those that are missing. @throws SluiceError SLU-5006 when the role of the URL may not */
export async function roleSteps(
  place: string,
  target: PostgresTarget,
  roles: ServiceRoles | undefined,
  isDryRun: boolean,
): Promise<readonly ProvisionStep[]> {
  if (!roles) return []
  const names = [roles.projector, roles.verifier, ...(roles.others ?? [])]
  const step = { place, what: 'roles' }
  const missing = await inDatabase(target, isDryRun, async (client) => {
    const { rows } = await client.query<{ name: string }>(
      `SELECT w.name FROM unnest($1::text[]) WITH ORDINALITY AS w (name, place)
       WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = w.name) ORDER BY w.place`,
      [names],
    )
    const missing = rows.map(({ name }) => name)
    if (!isDryRun) for (const name of missing) await make(client, place, name)
    return missing
  })
  if (missing === null) return [{ ...step, outcome: 'planned', detail: names.join(', ') }]
  if (missing.length === 0) return [{ ...step, outcome: 'present', detail: names.join(', ') }]
  return [{ ...step, outcome: isDryRun ? 'planned' : 'done', detail: missing.join(', ') }]
}

async function make(client: ClientBase, place: string, name: string): Promise<void> {
  try {
    await client.query(`CREATE ROLE ${quoteIdentifier(name)} NOLOGIN`)
  } catch (error) {
    // Roles are of the whole server: another provision was faster.
    if (sqlStateOf(error) === '42710' || sqlStateOf(error) === '23505') return
    if (sqlStateOf(error) !== '42501') throw error
    throw new SluiceError('ROLE_MISSING', {
      what: `${place} needs the role ${name}`,
      why: 'it does not exist, and the role of the URL may not make it',
      ways: [`as a role with CREATEROLE: CREATE ROLE ${quoteIdentifier(name)} NOLOGIN;    then: sluice provision`],
      cause: error,
    })
  }
}

interface Right {
  readonly table: string
  readonly role: string
  readonly privilege: string
}

/** Rights on Sluice's tables that the roles lack. A verifier reads all of them, and holds projectors. */
const LACKING = `
  SELECT c.relname AS table, w.role, p AS privilege
  FROM (VALUES ($2::text, ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'], ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']),
      ($3, ARRAY['SELECT'], ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE'])) AS w (role, privileges, for_barriers)
  JOIN pg_catalog.pg_roles r ON r.rolname = w.role
  CROSS JOIN pg_catalog.pg_class c
  CROSS JOIN LATERAL pg_catalog.unnest(CASE c.relname WHEN 'projector_barriers' THEN w.for_barriers ELSE w.privileges END) AS p
  WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY ($1::text[])
    AND (c.relkind <> 'v' OR p = 'SELECT') AND NOT pg_catalog.has_table_privilege(r.oid, c.oid, p)
  ORDER BY c.relname, w.role`

/** Gives the rights that are lacking; runs after the migrations. @throws SluiceError SLU-5006 when the role of the URL may not */
export async function rightsSteps(
  place: string,
  target: PostgresTarget,
  roles: ServiceRoles | undefined,
  isDryRun: boolean,
): Promise<readonly ProvisionStep[]> {
  if (!roles) return []
  const step = { place, what: "rights on Sluice's tables" }
  const lacking = await inDatabase(target, isDryRun, async (client) => {
    if (isDryRun && !(await hasTables(client))) return null
    const { rows } = await client.query<Right>(LACKING, [[...PROJECTOR_TABLES], roles.projector, roles.verifier])
    if (!isDryRun && rows.length > 0) await grant(client, place, rows)
    return rows
  })
  const detail = `${roles.projector}, ${roles.verifier}`
  if (lacking?.length === 0) return [{ ...step, outcome: 'present', detail }]
  return [{ ...step, outcome: isDryRun ? 'planned' : 'done', detail }]
}

async function hasTables(client: ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ found: boolean }>(`SELECT to_regclass('public.processed_events') IS NOT NULL AS found`)
  return rows[0]?.found === true
}

async function grant(client: ClientBase, place: string, rights: readonly Right[]): Promise<void> {
  const statements = rights.map(
    ({ table, role, privilege }) => `GRANT ${privilege} ON public.${quoteIdentifier(table)} TO ${quoteIdentifier(role)}`,
  )
  try {
    // Several statements in one query are one transaction.
    await client.query(statements.join('; '))
  } catch (error) {
    if (sqlStateOf(error) !== '42501') throw error
    throw new SluiceError('ROLE_MISSING', {
      what: `the roles of ${place} lack rights on Sluice's tables`,
      why: 'the role of the URL does not own these tables, so it may not give rights on them',
      ways: statements.slice(0, 3).map((statement) => `as their owner: ${statement};`),
      cause: error,
    })
  }
}
