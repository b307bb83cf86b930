/**
 * Seeded random transactions on the monolith, as its application would make them, until the signal aborts.
 *
 * One connection, one transaction at a time. A connection that breaks is opened again; a transaction whose COMMIT got no
 * answer is looked up by its id (`pg_xact_status`), so that none is counted wrongly and none is done twice.
 *
 * W1  The report counts exactly the rows of the transactions that committed, but for one that `unresolved` names.
 * W2  After the signal aborts no transaction begins; the open one is finished.
 */
import { connectUntil } from './connection.ts'
import { Pace } from './pace.ts'
import { Random, derivedSeed } from './random.ts'
import { type WeightedStep, fillTransaction } from './steps.ts'
import { NO_COUNTS, type WorkloadCounts, WorkloadTransaction, addCounts } from './transaction.ts'

const ROLLBACK_SHARE = 0.04

export interface WorkloadOptions {
  /** A monolith with its sample data, and the outbox where the system has one. */
  readonly url: string
  /** @default 1 */
  readonly seed?: number
  /**
   * Rows changed in a second, about.
   * @default 'unlimited'
   */
  readonly ratePerSecond?: number | 'unlimited'
  readonly signal: AbortSignal
  /**
   * Rows that a transaction changes, at least; what a foreign key sets off is not counted.
   * @default 5
   */
  readonly transactionSize?: number
  /**
   * Ends after so many transactions.
   * @default no end
   */
  readonly transactions?: number
  /**
   * How long the server may be away before the workload gives up, in milliseconds.
   * @default 120_000
   */
  readonly reconnectTimeoutMs?: number
  /** After every transaction. */
  readonly onProgress?: (report: WorkloadReport) => void
}

export interface WorkloadReport extends WorkloadCounts {
  readonly committed: number
  /** Transactions rolled back: on purpose, by a broken connection, or by a conflict with somebody else's. */
  readonly rolledBack: number
  readonly reconnects: number
  /** 1 if it was stopped while the server was away and the last transaction's outcome is not known. */
  readonly unresolved: 0 | 1
}

/**
 * @throws what the server refuses for another reason than a conflict, as `pg` throws it; its last error if it stays away
 *   longer than `reconnectTimeoutMs`
 */
export async function runSteps(steps: readonly WeightedStep[], options: WorkloadOptions): Promise<WorkloadReport> {
  const random = new Random(derivedSeed(options.seed ?? 1, 'workload'))
  const pace = new Pace(options.ratePerSecond ?? 'unlimited')
  const limit = options.transactions ?? Infinity
  const connect = (): ReturnType<typeof connectUntil> =>
    connectUntil(options.url, options.reconnectTimeoutMs ?? 120_000, options.signal)
  let report: WorkloadReport = { ...NO_COUNTS, committed: 0, rolledBack: 0, reconnects: 0, unresolved: 0 }
  let client = await connect()
  try {
    for (let begun = 0; client !== null && begun < limit && !options.signal.aborted; begun += 1) {
      const transaction = new WorkloadTransaction(client, random)
      const work = (): Promise<void> => fillTransaction(steps, transaction, options.transactionSize ?? 5)
      let outcome = await transaction.run(work, ROLLBACK_SHARE)
      if (outcome === 'unknown') {
        await client.end()
        client = await connect()
        if (client === null) return { ...report, unresolved: 1 }
        report = { ...report, reconnects: report.reconnects + 1 }
        outcome = await transaction.outcomeSeenBy(client)
      }
      report =
        outcome === 'committed'
          ? { ...report, ...addCounts(report, transaction.counts), committed: report.committed + 1 }
          : { ...report, rolledBack: report.rolledBack + 1 }
      options.onProgress?.(report)
      await pace.after(outcome === 'committed' ? transaction.rows : 0, options.signal)
    }
    return report
  } finally {
    await client?.end()
  }
}
