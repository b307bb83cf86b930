/** What a publication sends, as PostgreSQL's own view of it says: lists of tables and columns, schemas and partitions are resolved there. */
import type { ClientBase } from 'pg'

export interface PublishedTable {
  /** Columns that are in the stream: those of the column list, or all; generated ones where the publication asks for them. */
  readonly columns: ReadonlySet<string>
  /** SQL over the table's columns that a row must fulfil, as PostgreSQL prints it with nothing on the search path; null: every row. */
  readonly rowFilter: string | null
  /** Set where the publication names the columns. */
  readonly hasColumnList: boolean
}

interface PublishedRow {
  readonly name: string
  readonly columns: string[] | null
  readonly row_filter: string | null
  readonly has_column_list: boolean
}

/** Before 18 some releases list generated columns, and none of them sends one. */
const PUBLISHED = `
  SELECT t.schemaname || '.' || t.tablename AS name, t.rowfilter AS row_filter, coalesce(r.prattrs IS NOT NULL, false) AS has_column_list,
    (SELECT array_agg(a.attname::text) FROM pg_catalog.pg_attribute a
       WHERE a.attrelid = c.oid AND a.attname = ANY (t.attnames)
         AND (a.attgenerated = '' OR current_setting('server_version_num')::int >= 180000)) AS columns
  FROM pg_catalog.pg_publication_tables t
  JOIN pg_catalog.pg_publication p ON p.pubname = t.pubname
  JOIN pg_catalog.pg_namespace n ON n.nspname = t.schemaname
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
  LEFT JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = c.oid
  WHERE t.pubname = $1`

/** By the qualified name under which changes are sent: a partition that is sent under its root's name is not among them. */
export async function readPublished(client: ClientBase, publicationName: string): Promise<ReadonlyMap<string, PublishedTable>> {
  const { rows } = await client.query<PublishedRow>(PUBLISHED, [publicationName])
  return new Map(
    rows.map((row) => [
      row.name,
      { columns: new Set(row.columns ?? []), rowFilter: row.row_filter, hasColumnList: row.has_column_list },
    ]),
  )
}
