/**
 * The transactional context message: what an application says of its own transaction through
 * `pg_logical_emit_message(true, 'sluice.context', <JSON>)`. It holds for the changes after it in its transaction, up to
 * the next one.
 *
 * https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-REPLICATION
 */
export const CONTEXT_PREFIX = 'sluice.context'
/** Written by a projector in each of its transactions, so that a reader on the service database knows its writes. */
export const PROJECTOR_PREFIX = 'sluice.projector'
/** Not transactional; moves the WAL of an idle source. */
export const HEARTBEAT_PREFIX = 'sluice.heartbeat'
/** Not transactional; the high mark of a backfill's chunk, named by a random id. */
export const BACKFILL_PREFIX = 'sluice.backfill'

/** Longest correlation, causation or user id, in characters. */
export const CONTEXT_ID_CHARACTERS_MAX = 200

export interface TransactionContext {
  readonly correlationId?: string
  readonly causationId?: string
  readonly userId?: string
  /** W3C trace context, https://www.w3.org/TR/trace-context/ */
  readonly traceparent?: string
}

const FIELDS = ['correlationId', 'causationId', 'userId', 'traceparent'] as const

/** JSON text of the message; fields without a value are left out. */
export function formatContextMessage(context: TransactionContext): string {
  assertContext(context)
  return JSON.stringify(Object.fromEntries(FIELDS.flatMap((f) => (context[f] === undefined ? [] : [[f, context[f]]]))))
}

/**
 * Reads a context message. Never throws: a message comes from any application, and one that is wrong must not stop the
 * reader. What is wrong is returned, to be logged and counted.
 */
export function parseContextMessage(text: string): { context: TransactionContext; problem?: string } {
  let raw: unknown
  try {
    raw = JSON.parse(text)
  } catch {
    return { context: {}, problem: 'not JSON' }
  }
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) return { context: {}, problem: 'not a JSON object' }
  const context: { -readonly [K in keyof TransactionContext]: TransactionContext[K] } = {}
  for (const field of FIELDS) {
    const value: unknown = (raw as Record<string, unknown>)[field]
    if (value === undefined || value === null) continue
    if (typeof value !== 'string' || value === '') return { context: {}, problem: `${field} is not a text` }
    if (value.length > CONTEXT_ID_CHARACTERS_MAX) {
      return { context: {}, problem: `${field} is longer than ${CONTEXT_ID_CHARACTERS_MAX} characters` }
    }
    context[field] = value
  }
  return { context }
}

function assertContext(context: TransactionContext): void {
  for (const field of FIELDS) {
    const value = context[field]
    if (value === undefined) continue
    if (value === '' || value.length > CONTEXT_ID_CHARACTERS_MAX) {
      throw new RangeError(`${field} must have 1 to ${CONTEXT_ID_CHARACTERS_MAX} characters, it has ${value.length}`)
    }
  }
}
