/** Counts what a comparison in a sink finds, and keeps the first examples. */
import type { DifferenceExample, DifferenceKind, TableReport } from './verify-report.ts'

const EXAMPLES_MAX = 10

export class DifferenceTally {
  readonly #startedAt = performance.now()
  readonly #counts: Record<DifferenceKind, number> = { missing: 0, extra: 0, different: 0 }
  readonly #examples: DifferenceExample[] = []
  /** Rows that must be there, and rows that are. */
  expected = 0
  found = 0

  note(kind: DifferenceKind, key: string, columns: readonly string[] = []): void {
    this.#counts[kind] += 1
    if (this.#examples.length < EXAMPLES_MAX) this.#examples.push({ kind, key: [key], columns })
  }

  report(table: string, comparedColumns: readonly string[]): TableReport {
    const { missing, extra, different } = this.#counts
    return {
      table,
      sourceRows: this.expected,
      targetRows: this.found,
      missing,
      extra,
      different,
      status: missing + extra + different === 0 ? 'equal' : 'different',
      reason: null,
      comparedColumns,
      targetOnlyColumns: [],
      examples: this.#examples,
      durationMs: Math.round(performance.now() - this.#startedAt),
    }
  }
}
