import type { ErrorCode } from './error-code.ts'

/** SLU-9xxx: an application and its service databases. */
export const applicationErrors = {
  POOL_EXHAUSTED: {
    number: 'SLU-9001',
    exit: 3,
    retry: 'backoff',
    meaning: 'No connection of a service database became free in time.',
  },
  QUERY_TIMED_OUT: { number: 'SLU-9002', exit: 1, retry: 'backoff', meaning: 'A statement took longer than its service allows.' },
  WRITE_IN_READ: {
    number: 'SLU-9003',
    exit: 2,
    retry: 'never',
    meaning: 'A statement writes in a transaction that may only read.',
  },
  TRANSACTION_MISUSED: {
    number: 'SLU-9004',
    exit: 1,
    retry: 'never',
    meaning: 'A transaction was used after its end, or its work swallowed the error of a statement; it was rolled back.',
  },
  ACCESS_UNNAMED: {
    number: 'SLU-9005',
    exit: 2,
    retry: 'never',
    meaning: 'Access to service databases is recorded, and a unit of work did not say what it is for; it was not run.',
  },
  DATABASES_CLOSED: {
    number: 'SLU-9006',
    exit: 1,
    retry: 'never',
    meaning: 'A connection was asked for while the application closes its service databases.',
  },
  COMMIT_UNANSWERED: {
    number: 'SLU-9007',
    exit: 1,
    retry: 'never',
    meaning: 'The connection broke, or said nothing, during COMMIT: whether the transaction took effect is not known.',
  },
} as const satisfies Record<string, ErrorCode>
