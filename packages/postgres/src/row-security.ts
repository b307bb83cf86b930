/**
 * Row level security in the way of a role that has to see, or write, every row. It hides rows without an error: an update that finds
 * none of them, a comparison of nothing with nothing. So a role of Sluice must pass it by a policy of its own that is true for every row,
 * and that is proven from the catalog before the role does anything.
 * https://www.postgresql.org/docs/current/ddl-rowsecurity.html
 */
import { quoteIdentifier, quoteQualified } from '@sluice/core'
import type { ClientBase } from 'pg'

export type RowCommand = 'SELECT' | 'INSERT' | 'UPDATE' | 'DELETE'

export interface HiddenTable {
  readonly schema: string
  readonly name: string
  /** Of the session. */
  readonly role: string
  /** Commands for which no policy lets the role through to every row. */
  readonly commands: readonly RowCommand[]
}

/**
 * A command passes if a permissive policy of the role is true for every row, what is read and what is written, and no restrictive one is
 * anything else. Policies that are true together, but not one of them alone, count as hiding.
 */
const HIDDEN = `
  SELECT n.nspname AS schema, c.relname AS name, current_user::text AS role, array_agg(k.command ORDER BY k.place) AS commands
  FROM (SELECT DISTINCT s, t FROM unnest($1::text[], $2::text[]) AS w (s, t)) AS wanted
  JOIN pg_catalog.pg_namespace n ON n.nspname = wanted.s
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.t
  CROSS JOIN (VALUES (1, 'SELECT', 'r', true, false), (2, 'INSERT', 'a', false, true), (3, 'UPDATE', 'w', true, true),
    (4, 'DELETE', 'd', true, false)) AS k (place, command, letter, reads, writes)
  CROSS JOIN LATERAL (
    SELECT coalesce(pg_catalog.bool_or(is_open) FILTER (WHERE polpermissive), false)
      AND coalesce(pg_catalog.bool_and(is_open) FILTER (WHERE NOT polpermissive), true) AS passes
    FROM (
      SELECT p.polpermissive,
        (NOT k.reads OR pg_catalog.pg_get_expr(p.polqual, p.polrelid) = 'true')
          AND (NOT k.writes OR pg_catalog.pg_get_expr(coalesce(p.polwithcheck, p.polqual), p.polrelid) = 'true') AS is_open
      FROM pg_catalog.pg_policy p
      WHERE p.polrelid = c.oid AND p.polcmd::text IN ('*', k.letter)
        AND EXISTS (SELECT FROM pg_catalog.unnest(p.polroles) AS r (oid) WHERE r.oid = 0 OR pg_catalog.pg_has_role(r.oid, 'USAGE'))
    ) AS policies
  ) AS found
  WHERE k.command = ANY ($3::text[]) AND pg_catalog.row_security_active(c.oid) AND NOT found.passes
  GROUP BY 1, 2 ORDER BY 1, 2`

/** Tables of these in which the session's role does not get at every row; what does not exist is left out. */
export async function tablesHiddenByRowSecurity(
  client: Pick<ClientBase, 'query'>,
  tables: readonly { readonly schema: string; readonly name: string }[],
  commands: readonly RowCommand[],
): Promise<readonly HiddenTable[]> {
  const { rows } = await client.query<HiddenTable>(HIDDEN, [tables.map((t) => t.schema), tables.map((t) => t.name), commands])
  return rows
}

/** The statement that lets the role through, ready to be pasted. */
export function policyFor({ schema, name, role, commands }: HiddenTable): string {
  const isReading = commands.length === 1 && commands[0] === 'SELECT'
  const rules = isReading ? 'FOR SELECT' : 'FOR ALL'
  const check = isReading ? '' : ' WITH CHECK (true)'
  const policy = isReading ? 'sluice_reads_all' : 'sluice_writes_all'
  return `CREATE POLICY ${policy} ON ${quoteQualified(schema, name)} ${rules} TO ${quoteIdentifier(role)} USING (true)${check};`
}
