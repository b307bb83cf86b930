import type { ErrorCode } from './error-code.ts'

/** SLU-7xxx: the machine: servers that Sluice starts, preflight, processes that are asked for their health. */
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
  PROCESS_UNREACHABLE: {
    number: 'SLU-7006',
    exit: 3,
    retry: 'never',
    meaning: 'No process of Sluice answers at the health address.',
  },
  PROCESS_NOT_READY: {
    number: 'SLU-7007',
    exit: 4,
    retry: 'never',
    meaning: 'A process of Sluice answers that it is not ready.',
  },
  PREFLIGHT_FAILED: {
    number: 'SLU-7008',
    exit: 4,
    retry: 'never',
    meaning: 'The preflight found what must be put right before the pipeline can run.',
  },
  CERTIFICATE_REFUSED: {
    number: 'SLU-7009',
    exit: 3,
    retry: 'backoff',
    meaning:
      "A server's certificate was not accepted: it has expired, is for another host, or is of an authority that is not trusted.",
  },
  TLS_MISSING: {
    number: 'SLU-7010',
    exit: 3,
    retry: 'never',
    meaning: 'A connection is to be encrypted, and the server does not do that.',
  },
} as const satisfies Record<string, ErrorCode>
