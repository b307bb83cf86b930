/** Correlation, causation, user and trace of a transaction, told to the reader through the WAL. */
import { CONTEXT_PREFIX, type TransactionContext, currentContext, formatContextMessage } from '@sluice/core'
import type { Queryable } from './queryable.ts'

/**
 * Names the context of the changes that follow in the client's open transaction, up to the next call. Call it first in the
 * transaction. It is not seen if the transaction rolls back.
 *
 * @param context Ids of 1 to 200 characters; by default what `runInContext` set.
 * @throws RangeError if an id is empty or too long
 */
export async function setTransactionContext(client: Queryable, context: TransactionContext = currentContext()): Promise<void> {
  await client.query('SELECT pg_logical_emit_message(true, $1, $2)', [CONTEXT_PREFIX, formatContextMessage(context)])
}
