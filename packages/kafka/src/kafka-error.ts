/**
 * Faults of kafkajs as SluiceErrors. kafkajs counts every error as retriable unless it knows better, wraps errors in
 * errors, and lacks newer error codes of the protocol, so the whole chain of causes is looked at.
 *
 * https://kafka.apache.org/protocol#protocol_error_codes
 */
import { type ErrorName, SluiceError, certificateFault, isSluiceError } from '@sluice/core'

/** Where an error happened, for its text. */
export interface KafkaErrorContext {
  /** What was tried: `publish to Kafka`. */
  readonly doing: string
  readonly brokers: readonly string[]
  readonly topic?: string
}

const FENCED = new Set(['INVALID_PRODUCER_EPOCH', 'PRODUCER_FENCED'])
/** PRODUCER_FENCED is newer than kafkajs, which names it by its number only. */
const UNKNOWN_CODE_FENCED = /Unknown error code 90\b/

const TOO_LARGE = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE'])
/** Refused for what is asked or who asks: it will be refused again. */
const PERMANENT = new Set([
  'TOPIC_AUTHORIZATION_FAILED',
  'GROUP_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  'SASL_AUTHENTICATION_FAILED',
  'UNSUPPORTED_SASL_MECHANISM',
  'ILLEGAL_SASL_STATE',
  'SECURITY_DISABLED',
  'INVALID_TOPIC_EXCEPTION',
  'INVALID_CONFIG',
  'INVALID_REQUIRED_ACKS',
  'INVALID_TRANSACTION_TIMEOUT',
  'INVALID_RECORD',
  'POLICY_VIOLATION',
  'UNSUPPORTED_VERSION',
  'UNSUPPORTED_FOR_MESSAGE_FORMAT',
])
const UNREACHABLE_NAMES = new Set([
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSNoBrokerAvailableError',
  'KafkaJSBrokerNotFound',
  'KafkaJSRequestTimeoutError',
])

/** The error and what caused it, outermost first; of several at once the first. Bounded, since causes can form a ring. */
export function causesOf(error: unknown): readonly Error[] {
  const chain: Error[] = []
  for (let next = error; next instanceof Error && chain.length < 10 && !chain.includes(next); next = causeOf(next))
    chain.push(next)
  return chain
}

/** kafkajs answers a request about several topics with an error that holds one for each. */
function causeOf(error: Error): unknown {
  return error.cause ?? ('errors' in error && Array.isArray(error.errors) ? (error.errors as readonly unknown[])[0] : undefined)
}

function typeOf(error: Error): string {
  return 'type' in error && typeof error.type === 'string' ? error.type : ''
}

export function isFenced(error: unknown): boolean {
  return causesOf(error).some((e) => FENCED.has(typeOf(e)) || UNKNOWN_CODE_FENCED.test(e.message))
}

/** True where a partition's leader moved, or does not lead it yet. */
export function isLeaderElsewhere(error: unknown): boolean {
  const elsewhere = /^(LEADER_NOT_AVAILABLE|NOT_LEADER_FOR_PARTITION|FENCED_LEADER_EPOCH|UNKNOWN_LEADER_EPOCH)$/
  return causesOf(error).some((e) => elsewhere.test(typeOf(e)))
}

/** True where a partition's leader moved or is not known yet: fresh metadata help. */
export function isStaleMetadata(error: unknown): boolean {
  if (isLeaderElsewhere(error)) return true
  return causesOf(error).some((e) => typeOf(e) === 'UNKNOWN_TOPIC_OR_PARTITION' || e.name === 'KafkaJSTopicMetadataNotLoaded')
}

/** True where the group's coordinator is not there yet: after the start of a broker, or when it moved. */
export function isCoordinatorNotReady(error: unknown): boolean {
  const notReady = /^(GROUP_LOAD_IN_PROGRESS|GROUP_COORDINATOR_NOT_AVAILABLE|NOT_COORDINATOR_FOR_GROUP)$/
  return causesOf(error).some((e) => notReady.test(typeOf(e)))
}

/** The error as a SluiceError; one that is a SluiceError already is returned as it is. */
export function toKafkaError(error: unknown, context: KafkaErrorContext): SluiceError {
  if (isSluiceError(error)) return error
  const chain = causesOf(error)
  const types = chain.map(typeOf)
  const reason = chain.at(-1)?.message ?? String(error)
  const brokers = context.brokers.join(',')
  const make = (code: ErrorName, what: string, why: string, ways: readonly string[]): SluiceError =>
    new SluiceError(code, { what, why, ways, cause: error })

  if (isFenced(error)) {
    return make('RELAY_FENCED', 'a newer relay took over', `Kafka refused this one's producer epoch: ${reason}`, [
      'sluice status    shows which relay is active; stop one of the two',
    ])
  }
  if (types.some((t) => TOO_LARGE.has(t))) {
    return make('MESSAGE_TOO_LARGE', `a message does not fit into topic ${context.topic ?? ''}`.trim(), reason, [
      `kafka-configs.sh --bootstrap-server ${brokers} --alter --topic ${context.topic ?? '<topic>'} --add-config max.message.bytes=16777216`,
    ])
  }
  if (types.includes('UNKNOWN_TOPIC_OR_PARTITION')) {
    return make('TOPIC_MISSING', `topic ${context.topic ?? 'of the system'} does not exist`, reason, [
      'sluice provision    creates the topics of the system',
    ])
  }
  const certificate = certificateFault(error)
  if (certificate) {
    const broker = context.brokers[0] ?? 'host:9093'
    return make('CERTIFICATE_REFUSED', `can not ${context.doing}: a broker of ${brokers} is not trusted`, certificate.why, [
      `openssl s_client -connect ${broker} </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer -dates -ext subjectAltName`,
      'export KAFKA_SSL_CA_FILE=/path/to/ca.pem    the file of the authority that signed it',
    ])
  }
  if (
    chain.some((e) => UNREACHABLE_NAMES.has(e.name) || /ECONNREFUSED|ENOTFOUND|EHOSTUNREACH|ETIMEDOUT|ECONNRESET/.test(e.message))
  ) {
    return make('KAFKA_UNREACHABLE', `can not ${context.doing}`, `no answer from ${brokers}: ${reason}`, [
      `kafka-broker-api-versions.sh --bootstrap-server ${brokers}    then start the broker, or: export KAFKA_BROKERS=host:9092`,
      // Either side of a connection that only the other one means to encrypt sees no more than its end.
      ...(chain.some((e) => /ECONNREFUSED|ENOTFOUND|EHOSTUNREACH/.test(e.message))
        ? []
        : ['export KAFKA_SSL=true    where the broker asks for TLS; unset KAFKA_SSL KAFKA_SSL_CA_FILE    where it has none']),
    ])
  }
  const isPermanent = types.some((t) => PERMANENT.has(t)) || chain.some((e) => e.name === 'KafkaJSSASLAuthenticationError')
  return make(
    isPermanent ? 'KAFKA_REFUSED' : 'KAFKA_FAILED',
    `can not ${context.doing}`,
    `${types.find((t) => t !== '') ?? chain.at(-1)?.name ?? 'error'}: ${reason}`,
    ['sluice doctor    checks broker, topics and privileges'],
  )
}

/** SLU-5011 for an offset that is not in the log any more, or not yet. */
export function offsetMissing(at: {
  readonly topic: string
  readonly partition: number
  readonly offset: bigint
  readonly low: bigint
  readonly high: bigint
}): SluiceError {
  const side = at.offset < at.low ? 'retention removed it' : 'the log ends before it: the topic was made again or lost data'
  return new SluiceError('EVENTS_MISSING', {
    what: `topic ${at.topic}, partition ${at.partition} does not hold offset ${at.offset}`,
    why: `it holds offsets ${at.low} to ${at.high}; ${side}`,
    ways: ['sluice verify    shows which rows the service lacks', 'lengthen retention.ms of the topic before the next stop'],
  })
}
