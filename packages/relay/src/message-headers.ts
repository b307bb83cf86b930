/**
 * Headers of a message. They are few by default, since each costs about 2.7 µs to produce; `cloudevents` adds the binary mode of
 * CloudEvents 1.0 with its correlation extension.
 *
 * https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
 */
import type { StoredEvent } from '@sluice/core'
import type { TopicDefinition } from '@sluice/system'

type Headers = Record<string, string>

/** @param source `/sluice/<system>/<lane>`, the `ce_source` */
export function messageHeaders(event: StoredEvent, kind: TopicDefinition['headers'], source: string): Headers {
  const headers: Headers = { 'event-id': event.eventId, 'correlation-id': event.correlationId }
  if (event.migrationId !== null) headers['migration-id'] = event.migrationId
  if (event.traceparent !== null) headers['traceparent'] = event.traceparent
  if (kind === 'cloudevents') addCloudEvent(headers, event, source)
  return headers
}

function addCloudEvent(headers: Headers, event: StoredEvent, source: string): void {
  headers['content-type'] = 'application/avro'
  headers['ce_specversion'] = '1.0'
  headers['ce_id'] = event.eventId
  headers['ce_source'] = source
  headers['ce_type'] = event.eventType
  headers['ce_subject'] = event.aggregateKey ?? event.aggregateId
  headers['ce_time'] = rfc3339(event.committedAt)
  headers['ce_correlationid'] = event.correlationId
  if (event.causationId !== null) headers['ce_causationid'] = event.causationId
}

/** With microseconds, which `Date` lacks. */
function rfc3339(micros: bigint): string {
  const fraction = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n
  const seconds = Number((micros - fraction) / 1_000_000n)
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}.${String(fraction).padStart(6, '0')}Z`
}
