/**
 * Every fault that Sluice knows is a `SluiceError`: a code, what went wrong in the user's nouns, why with the measured
 * value, and the ways out. An error without a code is unexpected: the process stops and keeps its position.
 *
 * No message ever holds row contents: PostgreSQL's DETAIL carries values, so `why` is built from SQLSTATE, table,
 * column and constraint only.
 */
import { applicationErrors } from './error-codes/application.ts'
import { backupErrors } from './error-codes/backup.ts'
import type { ErrorCode } from './error-codes/error-code.ts'
import { environmentErrors } from './error-codes/environment.ts'
import { kafkaErrors } from './error-codes/kafka.ts'
import { privacyErrors } from './error-codes/privacy.ts'
import { serviceErrors } from './error-codes/service.ts'
import { sinkErrors } from './error-codes/sink.ts'
import { sourceErrors } from './error-codes/source.ts'
import { storeErrors } from './error-codes/store.ts'
import { usageErrors } from './error-codes/usage.ts'
import { verifyErrors } from './error-codes/verify.ts'

export const ERROR_CODES = {
  ...usageErrors,
  ...sourceErrors,
  ...storeErrors,
  ...kafkaErrors,
  ...serviceErrors,
  ...sinkErrors,
  ...verifyErrors,
  ...environmentErrors,
  ...backupErrors,
  ...privacyErrors,
  ...applicationErrors,
} as const satisfies Record<string, ErrorCode>

export type ErrorName = keyof typeof ERROR_CODES

export interface ErrorText {
  /** What failed, with its name: `slot "sluice_shop" is gone`. */
  readonly what: string
  /** Why, with the measured value. */
  readonly why: string
  /** One or two ways out that can be pasted. */
  readonly ways: readonly string[]
  readonly cause?: unknown
}

export class SluiceError extends Error {
  override readonly name = 'SluiceError'
  readonly code: ErrorName
  readonly what: string
  readonly why: string
  readonly ways: readonly string[]

  constructor(code: ErrorName, text: ErrorText) {
    super(`${ERROR_CODES[code].number} ${text.what}: ${text.why}`, text.cause === undefined ? {} : { cause: text.cause })
    this.code = code
    this.what = text.what
    this.why = text.why
    this.ways = text.ways
  }

  get number(): string {
    return ERROR_CODES[this.code].number
  }

  get exitCode(): ErrorCode['exit'] {
    return ERROR_CODES[this.code].exit
  }

  get retry(): ErrorCode['retry'] {
    return ERROR_CODES[this.code].retry
  }
}

export function isSluiceError(error: unknown, code?: ErrorName): error is SluiceError {
  return error instanceof SluiceError && (code === undefined || error.code === code)
}

export interface SerializedError {
  readonly code: string
  readonly name: string
  readonly what: string
  readonly why: string
  readonly ways: readonly string[]
}

/** The error as JSON output shows it; a foreign error becomes SLU-1999 with its message. */
export function serializeError(error: unknown): SerializedError {
  const known = toSluiceError(error)
  return { code: known.number, name: known.code, what: known.what, why: known.why, ways: known.ways }
}

/** The error itself, or SLU-1999 around a foreign one. */
export function toSluiceError(error: unknown): SluiceError {
  if (error instanceof SluiceError) return error
  return new SluiceError('UNEXPECTED', {
    what: 'an unexpected fault',
    why: error instanceof Error ? `${error.name}: ${error.message}` : String(error),
    ways: ['run again with --debug and report what it prints'],
    cause: error,
  })
}
