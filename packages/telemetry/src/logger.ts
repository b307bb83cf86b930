/**
 * The process's log: pino, JSON lines on stderr, since stdout belongs to data. Fields that may hold a secret are cut out,
 * and an error is written by its names only: PostgreSQL's DETAIL and the messages of data errors carry row values.
 */
import type { Logger } from '@sluice/core'
import { isSluiceError } from '@sluice/core'
import { type DestinationStream, destination, pino } from 'pino'
import { prettyStream } from './pretty-stream.ts'

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export interface LoggerOptions {
  /** `reader`, `relay`, `projector`, `all`: in every line. */
  readonly role: string
  readonly level: LogLevel
  /** Lines for people instead of JSON. */
  readonly pretty: boolean
  /** @default the process's stderr, written synchronously so that a last line is not lost */
  readonly destination?: DestinationStream
}

const SECRET_FIELDS = ['password', 'passphrase', 'secret', 'token', 'url', 'connectionString', 'sasl', 'ssl', 'authorization']

export function createLogger(options: LoggerOptions): Logger {
  const sink = options.destination ?? destination({ fd: 2, sync: true })
  return pino(
    {
      level: options.level,
      base: { role: options.role },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      messageKey: 'message',
      errorKey: 'error',
      serializers: { error: describeError, err: describeError },
      redact: { paths: SECRET_FIELDS.flatMap((f) => [f, `*.${f}`, `*.*.${f}`]), censor: '[secret]' },
    },
    options.pretty ? prettyStream(sink) : sink,
  )
}

/** What of an error may be logged. */
export function describeError(error: unknown): unknown {
  if (isSluiceError(error)) {
    return {
      code: error.number,
      name: error.code,
      what: error.what,
      why: error.why,
      ...(error.cause === undefined ? {} : { cause: describeError(error.cause) }),
    }
  }
  if (!(error instanceof Error)) return typeof error === 'string' ? error : typeof error
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined
  return {
    type: error.constructor.name,
    ...(code === undefined ? {} : { code }),
    // An SQLSTATE of a data error: its message holds a value.
    ...(code !== undefined && /^(22|23|44|P0)[0-9A-Z]{3}$/.test(code) ? {} : { message: error.message }),
  }
}
