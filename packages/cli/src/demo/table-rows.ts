/** How many rows each table of a database has, counted there. */
import { type PostgresTarget, connect } from '@sluice/postgres'
import { PROJECTOR_TABLES } from '@sluice/system'

/** Rows by table, such as `public.clients`. */
export type TableRows = Readonly<Record<string, number>>

/** Tables of Sluice in a monolith or service, beside those of `PROJECTOR_TABLES`: an outbox may well be empty. */
const OTHER_TABLES = [
  'outbox',
  'service_migrations',
  'sluice_migrations',
  'sluice_monolith_migrations',
  'sluice_outbox_migrations',
]

/** The tables that people made, but for those that the service fills by itself; of a partitioned one its root. */
export async function countTableRows(target: PostgresTarget, ownTables: readonly string[] = []): Promise<TableRows> {
  const own = new Set(ownTables.map((name) => (name.includes('.') ? name : `public.${name}`)))
  const client = await connect(target, { applicationName: 'sluice demo', statementTimeoutMs: 120_000 })
  try {
    const { rows: tables } = await client.query<{ name: string; quoted: string }>(
      `SELECT n.nspname || '.' || c.relname AS name, format('%I.%I', n.nspname, c.relname) AS quoted
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
         AND NOT (n.nspname = 'public' AND c.relname = ANY ($1::text[]))
         AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
       ORDER BY 1`,
      [[...PROJECTOR_TABLES, ...OTHER_TABLES]],
    )
    const counts: Record<string, number> = {}
    for (const { name, quoted } of tables) {
      if (own.has(name)) continue
      const { rows } = await client.query<{ n: string }>(`SELECT count(*) AS n FROM ${quoted}`)
      counts[name] = Number(rows[0]!.n)
    }
    return counts
  } finally {
    await client.end()
  }
}
