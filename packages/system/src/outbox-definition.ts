import type { TopicDefinition } from './topic.ts'

/** The `outbox` table of a database, into which applications write events of their own. */
export interface OutboxDefinition {
  /** @default 'public' */
  readonly schema?: string
  /** @default 'outbox' */
  readonly table?: string
  readonly topic: TopicDefinition
}

/** Schema and name of an outbox's table. */
export function outboxTable(outbox: OutboxDefinition): { readonly schema: string; readonly name: string } {
  return { schema: outbox.schema ?? 'public', name: outbox.table ?? 'outbox' }
}
