import type { ErrorCode } from './error-code.ts'

/** SLU-51xx: stores outside of PostgreSQL that projectors fill. */
export const sinkErrors = {
  SINK_UNREACHABLE: {
    number: 'SLU-5101',
    exit: 3,
    retry: 'backoff',
    meaning: 'A sink does not answer, or is too busy; the same is tried again, and nothing is skipped.',
  },
  SINK_REFUSED: {
    number: 'SLU-5102',
    exit: 3,
    retry: 'never',
    meaning: 'A sink refuses what it was asked for, other than because of one row: its user, a right, or its structure.',
  },
  SINK_NOT_PROVISIONED: {
    number: 'SLU-5103',
    exit: 3,
    retry: 'never',
    meaning: "A sink lacks a table or a column of the definition, or has it in a form that can not hold a service's events.",
  },
  SINK_ROW_REFUSED: {
    number: 'SLU-5104',
    exit: 1,
    retry: 'never',
    meaning: 'A sink can not hold a row as it is; its event is parked.',
  },
  EMBEDDING_MISSING: {
    number: 'SLU-5105',
    exit: 1,
    retry: 'never',
    meaning: 'The embedder did not answer, or did not take the text of a row; its event is parked, and a retry brings it.',
  },
} as const satisfies Record<string, ErrorCode>
