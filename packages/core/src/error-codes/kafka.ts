import type { ErrorCode } from './error-code.ts'

/** SLU-4xxx: Kafka, the schema registry, the relay. */
export const kafkaErrors = {
  KAFKA_UNREACHABLE: { number: 'SLU-4001', exit: 3, retry: 'backoff', meaning: 'No Kafka broker can be reached.' },
  TOPIC_MISSING: { number: 'SLU-4002', exit: 3, retry: 'never', meaning: 'A topic of the system does not exist.' },
  KAFKA_FAILED: { number: 'SLU-4003', exit: 3, retry: 'restart', meaning: 'Kafka refused a request for a reason that may pass.' },
  MESSAGE_TOO_LARGE: {
    number: 'SLU-4004',
    exit: 1,
    retry: 'never',
    meaning: "An event is larger than its topic's max.message.bytes.",
  },
  KAFKA_REFUSED: {
    number: 'SLU-4005',
    exit: 3,
    retry: 'never',
    meaning: 'Kafka refused a request for a reason that does not pass by itself: a privilege, a login, a setting.',
  },
  RELAY_FENCED: { number: 'SLU-4101', exit: 1, retry: 'never', meaning: 'A newer relay of the same lane took over.' },
  KAFKA_AHEAD: {
    number: 'SLU-4102',
    exit: 3,
    retry: 'never',
    meaning: 'The control topic is ahead of the store, or belongs to another lane epoch: one of the two was restored.',
  },
  CONTROL_RECORD_INVALID: {
    number: 'SLU-4103',
    exit: 1,
    retry: 'never',
    meaning: 'A record of the control topic can not be read.',
  },
  KAFKA_CLUSTER_CHANGED: {
    number: 'SLU-4104',
    exit: 3,
    retry: 'never',
    meaning: 'Kafka is another cluster than the one the lane was published to.',
  },
  KAFKA_BEHIND: {
    number: 'SLU-4105',
    exit: 3,
    retry: 'never',
    meaning: 'The control topic ends before what the lane had published: Kafka lost records or was restored.',
  },
  REGISTRY_UNREACHABLE: { number: 'SLU-4201', exit: 3, retry: 'backoff', meaning: 'The schema registry can not be reached.' },
  SCHEMA_INCOMPATIBLE: {
    number: 'SLU-4202',
    exit: 3,
    retry: 'never',
    meaning: 'A schema is not compatible with the registered one.',
  },
  EVENT_NOT_ENCODABLE: { number: 'SLU-4203', exit: 1, retry: 'never', meaning: 'A stored event does not fit its Avro schema.' },
  EVENT_NOT_DECODABLE: {
    number: 'SLU-4204',
    exit: 1,
    retry: 'never',
    meaning: 'A message of a topic is not an event of Sluice.',
  },
  TABLE_CHANGED: {
    number: 'SLU-4205',
    exit: 3,
    retry: 'never',
    meaning:
      'A captured table was changed in its source, and its events no longer fit the definition; they are parked at the relay.',
  },
  RELAY_LOT_FULL: {
    number: 'SLU-4206',
    exit: 3,
    retry: 'never',
    meaning: 'As many events as a relay may park are parked or wait; it stops before the next one that would have to.',
  },
  SCHEMA_FILES_STALE: {
    number: 'SLU-4210',
    exit: 4,
    retry: 'never',
    meaning: 'The Avro schema files are not what the system definition gives.',
  },
} as const satisfies Record<string, ErrorCode>
