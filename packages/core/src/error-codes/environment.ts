import type { ErrorCode } from './error-code.ts'

/** SLU-7xxx: servers that Sluice starts for development, tests and the demo. */
export const environmentErrors = {
  SERVER_START_FAILED: { number: 'SLU-7001', exit: 3, retry: 'never', meaning: 'A local server did not start.' },
  DOWNLOAD_FAILED: { number: 'SLU-7002', exit: 3, retry: 'never', meaning: 'A part could not be downloaded.' },
  CHECKSUM_MISMATCH: {
    number: 'SLU-7003',
    exit: 3,
    retry: 'never',
    meaning: 'A downloaded part has another checksum than the pinned one.',
  },
  TOOL_MISSING: { number: 'SLU-7004', exit: 3, retry: 'never', meaning: 'A program that a local server needs is not installed.' },
  DATABASE_UNMARKED: {
    number: 'SLU-7005',
    exit: 5,
    retry: 'never',
    meaning: 'A demo, test or benchmark was pointed at a database that it did not create.',
  },
} as const satisfies Record<string, ErrorCode>
