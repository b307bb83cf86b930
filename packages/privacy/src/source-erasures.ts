/**
 * Erasures as the source database remembers them: outside of the pipeline database, and where its reader is anyway, so that an
 * older copy of the keys meets them before one is used, and the slot still waits for no service. Ids of subjects are keyed hashes.
 *
 * The table is made with the first erasure: a source without any has nothing of it. No publication of a lane carries it.
 */
import type { ClientBase } from 'pg'

/** Of two that make the table at once the second waits: `IF NOT EXISTS` alone would fail there. */
const MAKE_TABLE = `
  SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('sluice.erased_subjects', 0));
  CREATE SCHEMA IF NOT EXISTS sluice;
  CREATE TABLE IF NOT EXISTS sluice.erased_subjects (
    system_name text NOT NULL,
    subject_id text NOT NULL,
    erased_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (system_name, subject_id)
  )`

export async function erasedInSource(client: ClientBase, system: string): Promise<ReadonlySet<string>> {
  if (!(await hasTable(client))) return new Set()
  const { rows } = await client.query<{ subject_id: string }>(
    'SELECT subject_id FROM sluice.erased_subjects WHERE system_name = $1',
    [system],
  )
  return new Set(rows.map((row) => row.subject_id))
}

/** One transaction; done again it leaves the same. */
export async function recordInSource(client: ClientBase, system: string, subjectIds: readonly string[]): Promise<void> {
  if (subjectIds.length === 0) return
  await client.query('BEGIN')
  try {
    if (!(await hasTable(client))) await client.query(MAKE_TABLE)
    await client.query(
      `INSERT INTO sluice.erased_subjects (system_name, subject_id) SELECT $1, id FROM unnest($2::text[]) AS e (id)
       ON CONFLICT DO NOTHING`,
      [system, subjectIds],
    )
    await client.query('COMMIT')
  } catch (error) {
    // The connection may be what broke.
    await client.query('ROLLBACK').catch(() => undefined)
    throw error
  }
}

async function hasTable(client: ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ exists: boolean }>(
    `SELECT pg_catalog.to_regclass('sluice.erased_subjects') IS NOT NULL AS exists`,
  )
  return rows[0]?.exists === true
}
