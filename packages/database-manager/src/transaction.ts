/**
 * A transaction on a borrowed connection. What it needs of the session it brings along (`SET LOCAL`), so that nothing of it is left
 * for the next one, and so that it works where a pooler gives each transaction another session.
 *
 *   begun --work resolves--> committed
 *   begun --work rejects, or a statement's error was swallowed--> rolled back
 *   begun --COMMIT gets no answer--> unknown
 *
 * T1  After its end no statement runs in it: the connection may be somebody else's by then.
 * T2  Work that swallows the error of a statement is told: PostgreSQL answers its COMMIT with a rollback.
 */
import { SluiceError, isSluiceError } from '@sluice/core'
import type { QueryResult, QueryResultRow } from 'pg'
import type { Borrowed } from './connection-pool.ts'
import type { StatementRunner } from './statement-runner.ts'

/** What work is given. `@sluice/outbox` takes it, too. */
export interface Transaction {
  /**
   * @throws SluiceError SLU-9002, SLU-9003, SLU-2001 to SLU-2003; SLU-9004 after the transaction's end; what else PostgreSQL
   *   refuses, as `pg` throws it
   */
  query<Row extends QueryResultRow = QueryResultRow>(text: string, values?: readonly unknown[]): Promise<QueryResult<Row>>
}

export interface TransactionOptions {
  readonly isReadOnly: boolean
  /** Of `SET LOCAL`, by name. */
  readonly settings: ReadonlyMap<string, string>
  /** Once it has begun: from here on the work may have had effects. */
  readonly onBegun?: () => void
}

/**
 * A connection that breaks during the COMMIT leaves open whether it took effect.
 *
 * @throws SluiceError SLU-9004 if the work swallowed an error; what `Transaction.query` and the work throw
 */
export async function runTransaction<T>(
  runner: StatementRunner,
  borrowed: Borrowed,
  options: TransactionOptions,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  let isOpen = true
  const transaction: Transaction = {
    query: async <Row extends QueryResultRow>(text: string, values: readonly unknown[] = []) => {
      if (!isOpen) throw misused('it was used after its end', 'await every statement before the work resolves')
      return runner.run<Row>(borrowed, text, values)
    },
  }
  let isEnded = false
  try {
    await runner.control(borrowed, options.isReadOnly ? 'BEGIN READ ONLY' : 'BEGIN')
    await applySettings(runner, borrowed, options.settings)
    options.onBegun?.()
    const result = await work(transaction)
    isOpen = false
    const { command } = await runner.commit(borrowed)
    isEnded = true
    if (command === 'COMMIT') {
      runner.countTransaction('committed')
      return result
    }
    throw misused('a statement in it failed and the work went on, so it was rolled back', 'let the error of a statement through')
  } catch (error) {
    isOpen = false
    runner.countTransaction(isSluiceError(error, 'COMMIT_UNANSWERED') ? 'unknown' : 'rolled_back')
    if (!isEnded) await rollBack(runner, borrowed)
    throw error
  }
}

/** The server rolls back by itself what is open on a connection that is closed. */
async function rollBack(runner: StatementRunner, borrowed: Borrowed): Promise<void> {
  if (borrowed.isBroken) return
  await runner.control(borrowed, 'ROLLBACK').catch(() => {
    borrowed.isBroken = true
  })
}

async function applySettings(runner: StatementRunner, borrowed: Borrowed, settings: ReadonlyMap<string, string>): Promise<void> {
  if (settings.size === 0) return
  await runner.control(
    borrowed,
    'SELECT set_config(s.name, s.value, true) FROM unnest($1::text[], $2::text[]) AS s (name, value)',
    [[...settings.keys()], [...settings.values()]],
  )
}

function misused(why: string, way: string): SluiceError {
  return new SluiceError('TRANSACTION_MISUSED', { what: 'a transaction of a service database', why, ways: [way] })
}
