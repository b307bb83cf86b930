/**
 * The stored form of a change, `event_data`: JSON text, kept byte for byte (decision 0003).
 *
 * Every column value is PostgreSQL's own text in a JSON string, or null for NULL. A column that is absent is
 * *unavailable*: PostgreSQL did not send it (an unchanged TOAST value, or a column outside the replica identity).
 *
 *   {"op":"c","after":{...}}                  insert
 *   {"op":"u","after":{...}}                  update; "before" has what the old tuple held, where one was sent
 *   {"op":"u","before":{key},"after":{...}}   update of the key: "before" has at least the old key
 *   {"op":"d","before":{...}}                 delete; at least the key
 *   {"op":"t"}                                truncate of the table, whose aggregate is the table itself
 *   {"op":"r","after":{...}}                  row of an initial load or backfill
 *   {"op":"e","payload":"..."}                an application's own event; payload is its JSON text as PostgreSQL prints it
 */
import { SluiceError } from './errors.ts'
import type { Operation } from './event.ts'

/** Column name to text, or null for NULL; an absent column is unavailable. */
export type RowText = Readonly<Record<string, string | null>>

export type EventData =
  | { readonly op: 'c' | 'r'; readonly after: RowText }
  | { readonly op: 'u'; readonly before?: RowText; readonly after: RowText }
  | { readonly op: 'd'; readonly before: RowText }
  | { readonly op: 't' }
  | { readonly op: 'e'; readonly payload: string }

const OPERATIONS: ReadonlySet<string> = new Set<Operation>(['c', 'u', 'd', 't', 'r', 'e'])

export function formatEventData(data: EventData): string {
  return JSON.stringify(data)
}

/**
 * Reads what `formatEventData` wrote.
 *
 * @throws SluiceError SLU-3101 if the text is none of the forms above: the store was changed by someone else.
 */
export function parseEventData(text: string): EventData {
  const data: unknown = JSON.parse(text)
  if (isEventData(data)) return data
  throw new SluiceError('STORE_EVENT_DATA_INVALID', {
    what: 'the stored event data has none of the known forms',
    why: `it begins with ${JSON.stringify(text.slice(0, 16))}`,
    ways: ['sluice verify --chain    finds the first link that was changed'],
  })
}

function isEventData(data: unknown): data is EventData {
  if (typeof data !== 'object' || data === null || !('op' in data)) return false
  const { op } = data
  if (typeof op !== 'string' || !OPERATIONS.has(op)) return false
  switch (op as Operation) {
    case 'c':
    case 'r':
    case 'u':
      return 'after' in data && typeof data.after === 'object' && data.after !== null
    case 'd':
      return 'before' in data && typeof data.before === 'object' && data.before !== null
    case 't':
      return true
    case 'e':
      return 'payload' in data && typeof data.payload === 'string'
  }
}
