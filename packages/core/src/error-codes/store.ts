import type { ErrorCode } from './error-code.ts'

/** SLU-3xxx: the pipeline database. */
export const storeErrors = {
  STORE_NOT_PROVISIONED: { number: 'SLU-3001', exit: 3, retry: 'never', meaning: "The pipeline database lacks Sluice's tables." },
  LANE_UNKNOWN: { number: 'SLU-3002', exit: 3, retry: 'never', meaning: 'The pipeline database has no lane of that name.' },
  LANE_TAKEN: { number: 'SLU-3003', exit: 3, retry: 'never', meaning: 'Another reader moved the position of the lane.' },
  STORE_BUSY: {
    number: 'SLU-3004',
    exit: 3,
    retry: 'restart',
    meaning: 'The pipeline database refused a transaction for a reason that may pass: a deadlock, a lock, its resources.',
  },
  BACKFILL_UNKNOWN: { number: 'SLU-3005', exit: 2, retry: 'never', meaning: 'The pipeline database has no backfill of that id.' },
  BACKFILL_ENDED: {
    number: 'SLU-3006',
    exit: 2,
    retry: 'never',
    meaning: 'What was asked of a backfill does not go with where it stands: it has ended, or is not running.',
  },
  STORE_EVENT_DATA_INVALID: {
    number: 'SLU-3101',
    exit: 1,
    retry: 'never',
    meaning: 'A stored event has none of the known forms.',
  },
  STORE_EVENT_MISSING: {
    number: 'SLU-3103',
    exit: 1,
    retry: 'never',
    meaning: 'A position that the lane has given is not in the event store.',
  },
  CLAIM_DIFFERS: {
    number: 'SLU-3104',
    exit: 1,
    retry: 'never',
    meaning: 'Another value is stored for the claim of a value that is too large for its topic.',
  },
  CHAIN_BROKEN: { number: 'SLU-3102', exit: 4, retry: 'never', meaning: 'The hash chain does not match the stored events.' },
} as const satisfies Record<string, ErrorCode>
