/**
 * The correlation and causation that the running code acts under. It flows by itself over awaits (AsyncLocalStorage);
 * nobody hands it on by hand. A projector runs each handler in the context of its event; the outbox library reads it.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { TransactionContext } from './context-message.ts'

const storage = new AsyncLocalStorage<TransactionContext>()

export function runInContext<T>(context: TransactionContext, work: () => T): T {
  return storage.run(context, work)
}

/** The context of the running code; empty outside of `runInContext`. */
export function currentContext(): TransactionContext {
  return storage.getStore() ?? {}
}
