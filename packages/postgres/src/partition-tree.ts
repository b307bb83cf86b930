/**
 * The partitions of a table, as the catalog has them at one moment. PostgreSQL's `pg_partition_tree` locks each of them until the
 * statement ends: it would wait for a transaction that changes one, and deadlock with one that changes two in another order.
 *
 * https://www.postgresql.org/docs/17/catalog-pg-inherits.html
 */

/**
 * SQL of a subquery with one column, `relid`: the table itself and every partition below it.
 *
 * @param table SQL of the table's oid; it may name a column of the query around it.
 */
export function partitionTree(table: string): string {
  return `(WITH RECURSIVE tree AS (
      SELECT (${table})::oid AS relid
      UNION
      SELECT i.inhrelid FROM tree JOIN pg_catalog.pg_inherits i ON i.inhparent = tree.relid
      JOIN pg_catalog.pg_class below ON below.oid = i.inhrelid AND below.relispartition
    ) SELECT relid FROM tree)`
}
