import type { ErrorCode } from './error-code.ts'

/** SLU-8xxx: keys of private columns, and erased subjects. */
export const privacyErrors = {
  MASTER_KEY_MISSING: {
    number: 'SLU-8001',
    exit: 2,
    retry: 'never',
    meaning: 'The definition hashes or encrypts columns, and no master key was given, or not the one that a key is wrapped with.',
  },
  SEALED_VALUE_DAMAGED: {
    number: 'SLU-8002',
    exit: 1,
    retry: 'never',
    meaning: 'A wrapped key or an encrypted value does not open: it was changed, or belongs to another place.',
  },
  SUBJECT_KEY_MISSING: {
    number: 'SLU-8004',
    exit: 3,
    retry: 'never',
    meaning: 'The key of an encrypted value is gone, and no erasure is recorded.',
  },
  SUBJECT_NOT_SENT: {
    number: 'SLU-8003',
    exit: 3,
    retry: 'never',
    meaning: 'A change with an encrypted column came without its subject column, so that its key can not be told.',
  },
  ERASURES_MISSING: {
    number: 'SLU-8010',
    exit: 3,
    // The reader destroys those keys again when it starts.
    retry: 'backoff',
    meaning: 'A database lacks an erasure that another one has recorded: it was restored from an older copy.',
  },
} as const satisfies Record<string, ErrorCode>
