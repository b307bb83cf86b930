import type { ErrorCode } from './error-code.ts'

/** SLU-1xxx: how a command was called, the configuration, the system's definition. */
export const usageErrors = {
  USAGE: { number: 'SLU-1001', exit: 2, retry: 'never', meaning: 'A command was called with arguments it does not have.' },
  CONFIG_MISSING: { number: 'SLU-1002', exit: 2, retry: 'never', meaning: 'A setting that the command needs is not set.' },
  CONFIG_INVALID: { number: 'SLU-1003', exit: 2, retry: 'never', meaning: 'A setting has a value that it can not have.' },
  SYSTEM_NOT_FOUND: {
    number: 'SLU-1004',
    exit: 2,
    retry: 'never',
    meaning: 'The system definition named by --system was not found.',
  },
  SYSTEM_INVALID: {
    number: 'SLU-1005',
    exit: 2,
    retry: 'never',
    meaning: 'The system definition has errors; all are listed, each with its place.',
  },
  CONFIRMATION_NEEDED: {
    number: 'SLU-1006',
    exit: 5,
    retry: 'never',
    meaning: 'The command changes data or traffic and was not confirmed.',
  },
  CORRELATION_UNKNOWN: {
    number: 'SLU-1007',
    exit: 4,
    retry: 'never',
    meaning: 'No stored event has the correlation id that was asked for.',
  },
  UNEXPECTED: {
    number: 'SLU-1999',
    exit: 1,
    retry: 'never',
    meaning: 'A fault that Sluice does not know; it stops and keeps its position.',
  },
} as const satisfies Record<string, ErrorCode>
