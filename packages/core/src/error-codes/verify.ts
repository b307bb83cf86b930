import type { ErrorCode } from './error-code.ts'

/** SLU-6xxx: verification. */
export const verifyErrors = {
  VERIFY_DIFFERENT: {
    number: 'SLU-6001',
    exit: 4,
    retry: 'never',
    meaning: 'A service table differs from what the monolith says it must hold.',
  },
  VERIFY_PARTIAL: { number: 'SLU-6002', exit: 4, retry: 'never', meaning: 'Not everything could be compared.' },
  BARRIER_NOT_REACHED: {
    number: 'SLU-6003',
    exit: 4,
    retry: 'never',
    meaning: 'A projector did not reach the position to compare at in time.',
  },
} as const satisfies Record<string, ErrorCode>
