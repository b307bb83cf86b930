/** How much of a service is as it must be, as a share: what a person reads, and what a limit such as 99.9 % is set on. */

/** What a table's report says of it. */
interface ComparedTable {
  readonly sourceRows: number
  readonly missing: number
  readonly extra: number
  readonly different: number
  readonly status: string
}

/** What a foreign key's report says of it. */
interface CountedReferences {
  readonly rows: number
  readonly orphans: number
  readonly status: string
}

export interface Consistency {
  /** Rows that the source or the service has, each counted once. Values of every column are compared, times to the microsecond. */
  readonly rows: number
  readonly equalRows: number
  /** Rows that refer to another row by a foreign key, counted for each key. */
  readonly references: number
  /** Of them those whose row is there. */
  readonly keptReferences: number
  /**
   * Share of both that is as it must be, rounded down to a hundredth: 100 is said of no service with a difference. Null where a table or
   * a reference is unverifiable, for what was not compared is no part of any share.
   */
  readonly percent: number | null
}

export function consistencyOf(tables: readonly ComparedTable[], references: readonly CountedReferences[]): Consistency {
  const rows = sum(tables, (t) => t.sourceRows + t.extra)
  const equalRows = rows - sum(tables, (t) => t.missing + t.extra + t.different)
  const referring = sum(references, (r) => r.rows)
  const keptReferences = referring - sum(references, (r) => r.orphans)
  const isWhole =
    tables.length > 0 && tables.every((t) => t.status !== 'unverifiable') && references.every((r) => r.status !== 'unverifiable')
  const all = rows + referring
  const percent = all === 0 ? 100 : Math.floor(((equalRows + keptReferences) * 10_000) / all) / 100
  return { rows, equalRows, references: referring, keptReferences, percent: isWhole ? percent : null }
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0)
}
