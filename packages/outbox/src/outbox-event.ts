/** Events of an application, written in its own transaction: they are published if it commits, and only then. */
import { randomUUID } from 'node:crypto'
import { type TransactionContext, currentContext, formatContextMessage, quoteQualified } from '@sluice/core'
import type { Queryable } from './queryable.ts'

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue }

export interface OutboxEvent extends TransactionContext {
  /** PascalCase name of what the event is about: `Proposal`. */
  readonly aggregateType: string
  /** Its key: a uuid, or any text. The events of one aggregate keep their order. */
  readonly aggregateId: string
  /** PascalCase, in the past tense: `ProposalReviewRequested`. */
  readonly eventType: string
  readonly payload: JsonValue
  /**
   * Id of the outbox row. A handler gives one that follows from its event, so that a replay writes the same row.
   * @default a random uuid
   */
  readonly id?: string
}

export interface WriteOutboxOptions {
  /** @default 'public' */
  readonly schema?: string
  /** @default 'outbox' */
  readonly table?: string
  /**
   * Deletes the row in the same transaction, so that the table stays empty; the event is in the WAL all the same.
   * @default false
   */
  readonly deleteRow?: boolean
}

/**
 * Writes an event in the client's open transaction. Correlation, causation, user and trace are those of `runInContext`
 * where the event names none; where there are none either, those of the transaction.
 *
 * @returns the id of the outbox row
 * @throws RangeError if an id is empty or longer than 200 characters; what PostgreSQL refuses, as `pg` throws it
 */
export async function writeOutboxEvent(
  client: Queryable,
  event: OutboxEvent,
  options: WriteOutboxOptions = {},
): Promise<{ id: string }> {
  const table = quoteQualified(options.schema ?? 'public', options.table ?? 'outbox')
  const context = contextOf(event)
  const id = event.id ?? randomUUID()
  await client.query(
    `INSERT INTO ${table}
       (id, aggregate_type, aggregate_id, event_type, payload, correlation_id, causation_id, user_id, traceparent)
     VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7, $8, $9)`,
    [
      id,
      event.aggregateType,
      event.aggregateId,
      event.eventType,
      JSON.stringify(event.payload),
      context.correlationId ?? null,
      context.causationId ?? null,
      context.userId ?? null,
      context.traceparent ?? null,
    ],
  )
  if (options.deleteRow === true) await client.query(`DELETE FROM ${table} WHERE id = $1`, [id])
  return { id }
}

function contextOf(event: OutboxEvent): TransactionContext {
  const { correlationId, causationId, userId, traceparent } = event
  const named = Object.entries({ correlationId, causationId, userId, traceparent }).filter(([, value]) => value !== undefined)
  const context: TransactionContext = { ...currentContext(), ...Object.fromEntries(named) }
  // Refuses a wrong id with its name, before the transaction is spoilt by a statement that fails.
  formatContextMessage(context)
  return context
}
