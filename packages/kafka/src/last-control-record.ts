/** The newest control record of a lane: how far it is published. */
import { type ControlRecord, offsetOf, parseControlRecord } from '@sluice/core'
import type { IncomingMessage, KafkaPort } from './kafka-port.ts'

/** A record and the marker of its transaction take two offsets; more are taken by aborted transactions. */
const FIRST_STRETCH = 64n
const STRETCH_GROWTH = 16n

/**
 * Reads backwards from the end of the control topic in growing stretches, since it may hold a week of records.
 *
 * @returns null if the lane was never published
 * @throws SluiceError SLU-4103 if the newest record can't be read; SLU-4001 to SLU-4003
 */
export async function lastControlRecord(kafka: KafkaPort, controlTopic: string): Promise<ControlRecord | null> {
  const message = await lastMessage(kafka, controlTopic)
  return message === null ? null : parseControlRecord(message.value?.toString('utf8') ?? '')
}

/** The last committed message of a topic's only partition. */
async function lastMessage(kafka: KafkaPort, topic: string): Promise<IncomingMessage | null> {
  const admin = await kafka.admin()
  try {
    const [ends] = await admin.offsets(topic)
    if (!ends) return null
    for (let stretch = FIRST_STRETCH; ; stretch *= STRETCH_GROWTH) {
      const from = ends.high - stretch > ends.low ? ends.high - stretch : ends.low
      let last: IncomingMessage | null = null
      for await (const message of kafka.readPartition(topic, 0, offsetOf(from))) last = message
      if (last !== null || from === ends.low) return last
    }
  } finally {
    await admin.close()
  }
}
