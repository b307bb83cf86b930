/** Finds out why a frame does not become complete: whether Kafka still has what it waits for. */
import { type Offset, type PartitionEnd, SluiceError } from '@sluice/core'
import type { KafkaPort } from '@sluice/kafka'

/** @throws SluiceError SLU-5011 if retention or a hand removed events that the service has not consumed. */
export async function assertStillInKafka(
  kafka: KafkaPort,
  service: string,
  awaited: readonly { readonly end: PartitionEnd; readonly received: Offset }[],
): Promise<void> {
  const admin = await kafka.admin()
  try {
    for (const { end, received } of awaited) {
      const offsets = await admin.offsets(end.topic)
      const found = offsets.find((o) => o.partition === end.partition)
      if (found && found.low < end.end && found.high >= end.end) continue
      throw new SluiceError('EVENTS_MISSING', {
        what: `service "${service}" can not go on in ${end.topic}, partition ${end.partition}`,
        why: found
          ? `it needs the events from offset ${received} to ${end.end}, and the partition holds ${found.low} to ${found.high}`
          : `it needs the events from offset ${received} to ${end.end}, and the partition does not exist`,
        ways: [
          `sluice status    shows how far each service is; retention of ${end.topic} must be longer than a service may be away`,
          'restore the topic from a copy, or rebuild the service from the event store',
        ],
      })
    }
  } finally {
    await admin.close()
  }
}
