/**
 * Headers of a message. They are few by default, since each costs about 2.7 µs to produce; `cloudevents` adds the binary mode of
 * CloudEvents 1.0 with its correlation extension.
 *
 * https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
 */
import { type StoredEvent, instantText } from '@sluice/core'
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
  headers['ce_time'] = instantText(event.committedAt)
  headers['ce_correlationid'] = event.correlationId
  if (event.causationId !== null) headers['ce_causationid'] = event.causationId
}
