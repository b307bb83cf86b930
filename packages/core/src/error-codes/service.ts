import type { ErrorCode } from './error-code.ts'

/** SLU-5xxx: a service database and its projector. */
export const serviceErrors = {
  SERVICE_NOT_PROVISIONED: {
    number: 'SLU-5001',
    exit: 3,
    retry: 'never',
    meaning: "A service database lacks Sluice's tables or those of its own migrations.",
  },
  SERVICE_UNKNOWN: { number: 'SLU-5002', exit: 2, retry: 'never', meaning: 'The system has no service of that name.' },
  SERVICE_NOT_INDEPENDENT: {
    number: 'SLU-5003',
    exit: 2,
    retry: 'never',
    meaning: 'A service is declared independent, and its tables have constraints that reach over keys.',
  },
  ROW_SECURITY_HIDES_ROWS: {
    number: 'SLU-5004',
    exit: 3,
    retry: 'never',
    meaning: 'Row level security keeps rows of a table from a role that has to get at every row.',
  },
  EXTENSION_MISSING: {
    number: 'SLU-5005',
    exit: 3,
    retry: 'never',
    meaning: 'A service needs an extension that its server does not have, or that the role may not make.',
  },
  ROLE_MISSING: {
    number: 'SLU-5006',
    exit: 3,
    retry: 'never',
    meaning: 'A service needs a role that does not exist and could not be made, or could not be given its rights.',
  },
  OFFSETS_MOVED: {
    number: 'SLU-5010',
    exit: 1,
    retry: 'restart',
    meaning: 'Another projector of the service moved its consumed offsets; this one gives way.',
  },
  EVENTS_MISSING: {
    number: 'SLU-5011',
    exit: 3,
    retry: 'never',
    meaning: 'Topics no longer hold events that the service has not consumed.',
  },
  EVENT_PARKED: {
    number: 'SLU-5020',
    exit: 1,
    retry: 'never',
    meaning: 'The service refused an event; it is parked, and the later events of its key queue behind it.',
  },
  EVENT_NOT_PARKED: { number: 'SLU-5021', exit: 2, retry: 'never', meaning: 'An event that a command names is not parked.' },
  PARKED_AGAIN: {
    number: 'SLU-5022',
    exit: 4,
    retry: 'never',
    meaning: 'Parked events were tried again and refused again; they are parked as before.',
  },
  TOO_MANY_PARKED: {
    number: 'SLU-5023',
    exit: 3,
    retry: 'backoff',
    meaning: 'A service refuses most events of an aggregate type; the lane stands still instead of parking them all.',
  },
  EDIT_REFUSED: {
    number: 'SLU-5024',
    exit: 2,
    retry: 'never',
    meaning: 'A parked event can not be edited in the way that was asked for.',
  },
  CLAIM_MISSING: {
    number: 'SLU-5040',
    exit: 1,
    retry: 'never',
    meaning: 'A value that its message only claims is not in the pipeline database, or is another one; the event is parked.',
  },
  CLAIMS_NOT_NAMED: {
    number: 'SLU-5041',
    exit: 2,
    retry: 'never',
    meaning: 'An event claims a value, and the projector was not told where the pipeline database is.',
  },
  MIGRATION_FAILED: { number: 'SLU-5030', exit: 3, retry: 'never', meaning: 'A migration failed and was rolled back.' },
  MIGRATION_FILE_INVALID: {
    number: 'SLU-5031',
    exit: 2,
    retry: 'never',
    meaning: 'A migration file can not be used: it is gone, has no number or no down section, or ends its own transaction.',
  },
  MIGRATIONS_PENDING: {
    number: 'SLU-5032',
    exit: 4,
    retry: 'never',
    meaning: 'Migrations of a service are pending, or applied ones have no file any more.',
  },
  STRUCTURE_DIFFERS: {
    number: 'SLU-5033',
    exit: 4,
    retry: 'never',
    meaning: 'The structure of a service database is not what its migrations make.',
  },
  MIGRATION_DRAFT_PARTIAL: {
    number: 'SLU-5034',
    exit: 4,
    retry: 'never',
    meaning: 'A drafted migration does not make all of the structure that it was drafted for; the rest is to be written by hand.',
  },
  SERVICE_IN_USE: {
    number: 'SLU-5035',
    exit: 3,
    retry: 'never',
    meaning: 'A service database is in use by sessions that what was asked for would break.',
  },
  SERVICE_NOT_REBUILDABLE: {
    number: 'SLU-5036',
    exit: 4,
    retry: 'never',
    meaning: 'A service database that was made anew could not be filled again from its topics.',
  },
} as const satisfies Record<string, ErrorCode>
