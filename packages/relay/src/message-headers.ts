/**
 * Headers of a message. They are few, since each costs a producer and its consumers CPU whatever its size; a topic that asks
 * for CloudEvents gets its binary mode on top.
 *
 * https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/kafka-protocol-binding.md
 */
import type { StoredEvent } from '@sluice/core'
import type { TopicDefinition } from '@sluice/system'

export function messageHeaders(event: StoredEvent, topic: TopicDefinition, system: string): Record<string, string> {
  const headers: Record<string, string> = { 'event-id': event.eventId, 'correlation-id': event.correlationId }
  if (event.migrationId !== null) headers['migration-id'] = event.migrationId
  if (event.traceparent !== null) headers['traceparent'] = event.traceparent
  if (topic.headers === 'cloudevents') Object.assign(headers, cloudEventHeaders(event, system))
  return headers
}

function cloudEventHeaders(event: StoredEvent, system: string): Record<string, string> {
  return {
    'content-type': 'application/avro',
    ce_specversion: '1.0',
    ce_id: event.eventId,
    ce_source: `/sluice/${system}`,
    ce_type: event.eventType,
    ce_subject: `${event.aggregateType}/${event.aggregateKey ?? event.aggregateId}`,
    ce_time: new Date(Number(event.committedAt / 1000n)).toISOString(),
    ce_correlationid: event.correlationId,
    ...(event.causationId === null ? {} : { ce_causationid: event.causationId }),
  }
}
