/**
 * What a publication sends. PostgreSQL's own view of it (`pg_publication_tables`) opens every table by itself, and fails where one is
 * dropped meanwhile; here all is of one moment, so that a table which changes at the same time is never told wrong.
 */
import type { ClientBase } from 'pg'

export interface PublishedTable {
  /** Columns that are in the stream: those of the column list, or all; generated ones where the publication asks for them. */
  readonly columns: readonly string[]
  /** The table's other columns. */
  readonly unsent: ReadonlySet<string>
  /** Set where the publication names the columns. */
  readonly hasColumnList: boolean
  /** SQL over the table's columns that a row must fulfil, as PostgreSQL prints it with nothing on the search path; null: every row. */
  readonly rowFilter: string | null
}

interface PublishedRow {
  readonly name: string
  readonly columns: string[] | null
  readonly unsent: string[] | null
  readonly has_column_list: boolean
  readonly row_filter: string | null
}

/** `pubgencols` is there from 18 on; before that no generated column is sent. */
const PUBLISHED = `
  WITH publication AS (
    SELECT p.oid, p.puballtables AS has_all, to_jsonb(p) ->> 'pubgencols' = 's' AS sends_generated
    FROM pg_catalog.pg_publication p WHERE p.pubname = $1
  ), named AS (
    SELECT c.oid, n.nspname || '.' || c.relname AS name, r.prattrs::int2[] AS list, r.prqual, p.sends_generated
    FROM publication p
    CROSS JOIN pg_catalog.pg_class c
    JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_publication_rel r ON r.prpubid = p.oid AND r.prrelid = c.oid
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
      AND (p.has_all OR r.oid IS NOT NULL
        OR EXISTS (SELECT FROM pg_catalog.pg_publication_namespace s WHERE s.pnpubid = p.oid AND s.pnnspid = n.oid))
  )
  SELECT t.name, t.list IS NOT NULL AS has_column_list, pg_catalog.pg_get_expr(t.prqual, t.oid) AS row_filter,
    attributes.columns, attributes.unsent
  FROM named t
  CROSS JOIN LATERAL (
    SELECT array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE s.is_sent) AS columns,
      array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE NOT s.is_sent) AS unsent
    FROM pg_catalog.pg_attribute a
    CROSS JOIN LATERAL (SELECT CASE WHEN t.list IS NOT NULL THEN a.attnum = ANY (t.list)
      ELSE a.attgenerated = '' OR (a.attgenerated = 's' AND coalesce(t.sends_generated, false)) END AS is_sent) AS s
    WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
  ) AS attributes
  WHERE NOT EXISTS (
    SELECT FROM pg_catalog.pg_partition_ancestors(t.oid) AS a (oid) JOIN named root ON root.oid = a.oid WHERE root.oid <> t.oid
  )`

/** By the qualified name under which changes are sent: a partition that is sent under its root's name is not among them. */
export async function readPublished(client: ClientBase, publicationName: string): Promise<ReadonlyMap<string, PublishedTable>> {
  const { rows } = await client.query<PublishedRow>(PUBLISHED, [publicationName])
  return new Map(
    rows.map((row) => [
      row.name,
      {
        columns: row.columns ?? [],
        unsent: new Set(row.unsent ?? []),
        hasColumnList: row.has_column_list,
        rowFilter: row.row_filter,
      },
    ]),
  )
}
