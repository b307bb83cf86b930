/** The `outbox` table of a source: an insert is an application's own event. Its rows may be deleted in the same transaction. */
import { type AggregateName, SluiceError, aggregateName, formatEventData, type TransactionContext } from '@sluice/core'
import type { Relation, Tuple } from '@sluice/pgoutput'
import type { OutboxDefinition } from '@sluice/system'

export const OUTBOX_REQUIRED_COLUMNS = ['aggregate_type', 'aggregate_id', 'event_type', 'payload'] as const
const CONTEXT_COLUMNS = ['correlation_id', 'causation_id', 'user_id', 'traceparent'] as const

export function outboxName(outbox: OutboxDefinition): { readonly schema: string; readonly name: string } {
  return { schema: outbox.schema ?? 'public', name: outbox.table ?? 'outbox' }
}

/** What an outbox row says. */
export interface OutboxRow {
  readonly eventType: string
  readonly aggregateType: string
  readonly aggregate: AggregateName
  readonly eventData: string
  /** Only what the row has: it goes before the transaction's context message. */
  readonly context: TransactionContext
}

export type OutboxRowReader = (values: Tuple) => OutboxRow

/** @throws SluiceError SLU-2013 if the relation lacks a column that an event needs. */
export function createOutboxRowReader(relation: Relation): OutboxRowReader {
  const indexOf = new Map(relation.columns.map((column, index) => [column.name, index]))
  const lacking = OUTBOX_REQUIRED_COLUMNS.filter((name) => !indexOf.has(name))
  if (lacking.length > 0) throw outboxUnusable(relation, `it has no column ${lacking.join(', ')}`)
  const textAt = (values: Tuple, name: string): string | null => {
    const value = values[indexOf.get(name) ?? -1]
    return typeof value === 'string' ? value : null
  }
  const required = (values: Tuple, name: (typeof OUTBOX_REQUIRED_COLUMNS)[number]): string => {
    const value = textAt(values, name)
    if (value === null) throw outboxUnusable(relation, `${name} of a row is NULL`)
    return value
  }
  return (values) => {
    const [correlationId, causationId, userId, traceparent] = CONTEXT_COLUMNS.map((name) => textAt(values, name))
    return {
      eventType: required(values, 'event_type'),
      aggregateType: required(values, 'aggregate_type'),
      aggregate: aggregateName([required(values, 'aggregate_id')]),
      eventData: formatEventData({ op: 'e', payload: required(values, 'payload') }),
      context: {
        ...(correlationId ? { correlationId } : {}),
        ...(causationId ? { causationId } : {}),
        ...(userId ? { userId } : {}),
        ...(traceparent ? { traceparent } : {}),
      },
    }
  }
}

function outboxUnusable(relation: Relation, why: string): SluiceError {
  return new SluiceError('COLUMN_MISMATCH', {
    what: `the outbox table ${relation.schema}.${relation.name} can not be read`,
    why,
    ways: ['sluice provision    shows the table that the outbox library makes'],
  })
}
