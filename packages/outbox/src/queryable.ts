/**
 * What the library asks of a database client: a `pg` client that is inside the caller's transaction, or the transaction
 * that a projection's handler is given.
 */
export interface Queryable {
  query(text: string, values?: readonly unknown[]): Promise<unknown>
}
