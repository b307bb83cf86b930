/** One change, as both sides of the comparison tell it: the source's WAL and the event store. */
export interface RowChange {
  /** Type of the aggregate that the row is. */
  readonly aggregate: string
  /** Created, updated, deleted, truncated, or an event of the application's own. */
  readonly op: string
  /** Text of the key before the change; empty for a truncate. */
  readonly key: string
  /** Text of the key after an update; null for any other change. */
  readonly newKey: string | null
}

export interface CommitChanges {
  /** End of the commit record. */
  readonly endLsn: bigint
  /** In the order in which the transaction made them; what a savepoint undid is not among them. */
  readonly changes: readonly RowChange[]
}

export function describeChange({ aggregate, op, key, newKey }: RowChange): string {
  return `${op} ${aggregate} ${key}${newKey === null || newKey === key ? '' : ` -> ${newKey}`}`
}
