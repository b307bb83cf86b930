/** Why the service refused an event: names only, never a value. */
import { isConnectionFault, isConstraintViolation, refusedBy } from '@sluice/postgres'
import pg from 'pg'

export interface Refusal {
  /** @default SLU-5020 */
  readonly code?: 'SLU-5040' | 'SLU-5104' | 'SLU-5105'
  /** Mapping or handler that was running. */
  readonly projection: string
  readonly sqlState: string | null
  readonly table: string | null
  readonly column: string | null
  readonly constraint: string | null
  /** One sentence, built from names. */
  readonly message: string
}

/** A change that the database or a projection refuses for what it is: it will be refused again. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError'
  readonly refusal: Refusal

  constructor(refusal: Refusal, cause?: unknown) {
    super(refusal.message, cause === undefined ? {} : { cause })
    this.refusal = refusal
  }
}

/** The error as a refusal by a projection where it is one; any other error is returned as it is. */
export function refusedIn(projection: string, error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError) || !isConstraintViolation(error)) return error
  const { sqlState, table, column, constraint } = refusedBy(error)
  const names = [table && `table ${table}`, column && `column ${column}`, constraint && `constraint ${constraint}`].filter(
    Boolean,
  )
  const message = [`the database refused it with SQLSTATE ${sqlState}`, ...names].join(', ')
  return new RefusedError({ projection, sqlState, table, column, constraint, message }, error)
}

/**
 * The error of a handler. What it throws by itself is its verdict about the event; its message may hold values of the row, so
 * only the kind of the error and the place in the handler's code are kept.
 */
export function refusedByHandler(handler: string, error: unknown): unknown {
  if (error instanceof RefusedError) return error
  if (error instanceof pg.DatabaseError) return refusedIn(handler, error)
  if (isConnectionFault(error)) return error
  const kind = error instanceof Error ? error.name : typeof error
  const place = error instanceof Error ? /\(?((?:file:\/\/)?[^\s()]+:\d+):\d+\)?$/m.exec(error.stack ?? '')?.[1] : undefined
  const message = `handler ${handler} threw ${kind}${place ? ` at ${place.split('/').at(-1) ?? place}` : ''}`
  return new RefusedError({ projection: handler, sqlState: null, table: null, column: null, constraint: null, message }, error)
}
