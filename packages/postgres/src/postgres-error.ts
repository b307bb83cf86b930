/**
 * What a fault of PostgreSQL means: may it pass, is it the data's, or is it unknown. And its form as a SluiceError, with
 * SQLSTATE, table, column and constraint, never with DETAIL or the message of a data error: those hold row values.
 *
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */
import { type ErrorName, type ErrorText, SluiceError, isSluiceError } from '@sluice/core'
import pg from 'pg'
import { isRefusedByPooler, poolerInFront } from './pooler.ts'
import type { PostgresTarget } from './target.ts'
import { tlsFault } from './tls-fault.ts'

/**
 * `transient`: the same statement may pass later. `permanent`: it never will with this data. `unknown`: stop, never retry
 * for ever.
 */
export type Fault = 'transient' | 'permanent' | 'unknown'

const SOCKET_FAULTS = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EAI_AGAIN',
])

/** Classes and codes that pass by themselves: connection, rollback, resources, shutdown, lock not available. */
const TRANSIENT = [/^08/, /^40/, /^53/, /^55P03$/, /^57P0[1-5]$/, /^57014$/, /^58/]
/** Data exceptions, constraint violations, a value too large for its index, and what a type or trigger refuses. */
const PERMANENT = [/^22/, /^23/, /^44/, /^54000$/, /^P000[1-4]$/]

export function sqlStateOf(error: unknown): string | undefined {
  return error instanceof pg.DatabaseError ? error.code : undefined
}

export function faultOf(error: unknown): Fault {
  if (isConnectionFault(error)) return 'transient'
  // What another database than the caller's refused was named after that one already.
  if (isSluiceError(error, 'UNEXPECTED') && sqlStateOf(error.cause) !== undefined) return faultOf(error.cause)
  const state = sqlStateOf(error)
  if (state === undefined || isRefusedByPooler(error)) return 'unknown'
  if (TRANSIENT.some((pattern) => pattern.test(state))) return 'transient'
  return PERMANENT.some((pattern) => pattern.test(state)) ? 'permanent' : 'unknown'
}

/** A constraint (class 23, 44) or the value itself (class 22) was refused. */
export function isConstraintViolation(error: unknown): boolean {
  return faultOf(error) === 'permanent'
}

/** The connection broke, or could not be made, outside of any statement's own fault. */
export function isConnectionFault(error: unknown): boolean {
  if (isSluiceError(error)) return error.code === 'POSTGRES_UNREACHABLE' || error.code === 'POSTGRES_CONNECTION_LOST'
  if (!(error instanceof Error)) return false
  if (error instanceof pg.DatabaseError) return /^(08|57P0)/.test(error.code ?? '') && !isRefusedByPooler(error)
  if (error instanceof AggregateError) return error.errors.some(isConnectionFault)
  if ('code' in error && typeof error.code === 'string' && SOCKET_FAULTS.has(error.code)) return true
  return /^(Connection terminated|Client has encountered a connection error|timeout expired|Client was closed|timeout exceeded when trying to connect|Query read timeout)/.test(
    error.message,
  )
}

/** The parts of a data error that may be shown and stored: names only. */
export interface RefusedBy {
  readonly sqlState: string
  readonly table: string | null
  readonly column: string | null
  readonly constraint: string | null
}

export function refusedBy(error: pg.DatabaseError): RefusedBy {
  return {
    sqlState: error.code ?? 'XX000',
    table: error.table ?? null,
    column: error.column ?? null,
    constraint: error.constraint ?? null,
  }
}

/** The error as a SluiceError; one that is a SluiceError already is returned as it is. */
export function toPostgresError(error: unknown, target: PostgresTarget): SluiceError {
  if (isSluiceError(error)) return error
  if (error instanceof Error && isRefusedByPooler(error)) return poolerInFront(target, error.message, error)
  const refused = tlsFault(error, target)
  if (refused) return refused
  const state = sqlStateOf(error)
  const [code, text] = describe(error, state, target)
  return new SluiceError(code, { ...text, cause: error })
}

function describe(error: unknown, state: string | undefined, target: PostgresTarget): [ErrorName, ErrorText] {
  const server = `${target.name} (${target.display})`
  if (state === '28P01' || state === '28000' || state === '3D000') {
    const refused = state === '3D000' ? 'the database does not exist' : 'the server refused the user or the password'
    return [
      'POSTGRES_AUTH_FAILED',
      { what: `can not log in to ${server}`, why: `${refused} (SQLSTATE ${state})`, ways: [urlOf(target)] },
    ]
  }
  if (state === '42501') {
    const user = target.config.user ?? 'the role'
    return [
      'POSTGRES_PRIVILEGE_MISSING',
      {
        what: `a privilege is missing in ${server}`,
        why: `SQLSTATE 42501: ${permissionText(error)}`,
        ways: [`sluice doctor    lists every privilege that "${user}" lacks, with the GRANT for each`],
      },
    ]
  }
  if (isConnectionFault(error)) {
    const isLost =
      error instanceof Error &&
      /terminated|terminating|ECONNRESET|EPIPE|connection error|closed|read timeout/.test(
        `${error.message} ${String('code' in error ? error.code : '')}`,
      )
    return [
      isLost ? 'POSTGRES_CONNECTION_LOST' : 'POSTGRES_UNREACHABLE',
      {
        what: isLost ? `the connection to ${server} broke` : `can not reach ${server}`,
        why: connectionText(error),
        ways: [`pg_isready -d postgresql://${target.display}    then start the server, or ${urlOf(target)}`],
      },
    ]
  }
  return [
    'UNEXPECTED',
    {
      what: `${server} refused a statement`,
      why: state === undefined ? (error instanceof Error ? error.message : String(error)) : dataErrorText(error, state),
      ways: ['sluice doctor', 'run again with --debug and report what it prints'],
    },
  ]
}

function urlOf(target: PostgresTarget): string {
  return `export SLUICE_${target.name.toUpperCase()}_URL='postgresql://user:password@host:5432/database'`
}

/** PostgreSQL's message for a missing privilege names the object, no row. */
function permissionText(error: unknown): string {
  return error instanceof Error ? error.message : 'permission denied'
}

function connectionText(error: unknown): string {
  if (error instanceof AggregateError) return [...new Set(error.errors.map(connectionText))].join('; ')
  if (!(error instanceof Error)) return String(error)
  return error.message === '' && 'code' in error ? String(error.code) : error.message
}

/** A data error's message holds values (`invalid input syntax for type integer: "…"`): only names are told. */
function dataErrorText(error: unknown, state: string): string {
  if (!(error instanceof pg.DatabaseError)) return `SQLSTATE ${state}`
  if (!/^(22|23|44|54000|P000[1-4])/.test(state)) return `SQLSTATE ${state}: ${error.message}`
  const { table, column, constraint } = refusedBy(error)
  const names = [table && `table ${table}`, column && `column ${column}`, constraint && `constraint ${constraint}`].filter(
    Boolean,
  )
  return [`SQLSTATE ${state}`, ...names].join(', ')
}
