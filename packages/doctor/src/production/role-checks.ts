/** Whether roles have no more rights than their work needs. */
import type { HealthCheck } from '@sluice/core'
import { APPLICATION_TABLES, type ServiceRoles } from '@sluice/system'
import type { ClientBase } from 'pg'
import { failed, ok, warning } from '../finding.ts'

interface RoleRow {
  readonly name: string
  readonly rolsuper: boolean
  readonly rolbypassrls: boolean
  readonly rolcreaterole: boolean
  readonly rolcreatedb: boolean
}

const RIGHTS = [
  ['rolsuper', 'SUPERUSER'],
  ['rolbypassrls', 'BYPASSRLS'],
  ['rolcreaterole', 'CREATEROLE'],
  ['rolcreatedb', 'CREATEDB'],
] as const

/** Of the role that the URL logs in as. */
export async function checkOwnRole(prefix: string, client: ClientBase): Promise<readonly HealthCheck[]> {
  return [roleCheck(`${prefix}.role`, await readRoles(client, null))]
}

/** Of a service: the role that writes its rows does not own them, and the roles of the definition have no attributes. */
export async function checkServiceRoles(
  prefix: string,
  client: ClientBase,
  roles: ServiceRoles | undefined,
): Promise<readonly HealthCheck[]> {
  const { rows } = await client.query<{ role: string; owned: number }>(
    `SELECT current_user::text AS role, count(*)::int AS owned
     FROM (${APPLICATION_TABLES}) t JOIN pg_catalog.pg_class c ON c.oid = t.oid
     WHERE c.relowner = (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)`,
  )
  const { role, owned } = rows[0]!
  const ownership =
    owned === 0
      ? ok(`${prefix}.owner`, `role "${role}" owns no table`)
      : warning(`${prefix}.owner`, {
          summary: `role "${role}" owns ${owned} tables: whoever has its password can drop them`,
          fix: [
            roles
              ? `CREATE ROLE ${prefix.replace(/^service\./, '')}_worker LOGIN PASSWORD '…' IN ROLE "${roles.projector}";    and log in as it; the owner is for sluice provision and sluice migrate`
              : 'give the projector a role of its own (docs/operations.md, "Roles and privileges"); the owner is for sluice provision and sluice migrate',
          ],
        })
  const named = roles === undefined ? [] : [roles.projector, roles.verifier, ...(roles.others ?? [])]
  const found = named.length === 0 ? [] : await readRoles(client, named)
  return [ownership, ...(found.length === 0 ? [] : [roleCheck(`${prefix}.roles`, found)])]
}

async function readRoles(client: ClientBase, names: readonly string[] | null): Promise<readonly RoleRow[]> {
  const { rows } = await client.query<RoleRow>(
    `SELECT rolname AS name, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_catalog.pg_roles
     WHERE rolname = ANY (coalesce($1::name[], ARRAY[current_user])) ORDER BY 1`,
    [names],
  )
  return rows
}

function roleCheck(name: string, roles: readonly RoleRow[]): HealthCheck {
  const excess = roles.flatMap((role) => {
    const rights = RIGHTS.filter(([column]) => role[column]).map(([, right]) => right)
    return rights.length === 0 ? [] : [{ role: role.name, rights }]
  })
  if (excess.length === 0) return ok(name, `${roles.map((role) => `"${role.name}"`).join(', ')}: no right over the whole server`)
  const advice = {
    summary: excess.map(({ role, rights }) => `role "${role}" is ${rights.join(', ')}`).join('; '),
    fix: excess.map(({ role, rights }) =>
      // The role that a server was made with stays a superuser.
      rights.includes('SUPERUSER')
        ? `log in as another role than "${role}": docs/operations.md, "Roles and privileges"`
        : `ALTER ROLE "${role}" ${rights.map((right) => `NO${right}`).join(' ')};`,
    ),
  }
  // A superuser passes every other limit; the rest is more than is needed, and may be meant.
  return excess.some(({ rights }) => rights.includes('SUPERUSER')) ? failed(name, advice) : warning(name, advice)
}
