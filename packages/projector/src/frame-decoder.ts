/** Decodes the messages of complete frames and puts them into position order over all partitions. */
import { setImmediate as turn } from 'node:timers/promises'
import { SluiceError } from '@sluice/core'
import type { Batch, BatchEvent } from './batch.ts'
import type { EventDecoder } from '@sluice/avro'
import type { RawBatch } from './frame-assembler.ts'
import type { ProjectionPlan } from './projection-plan.ts'

/** Messages decoded in one go, before the event loop gets its turn: about 3 ms. */
const DECODED_IN_ONE_GO = 500

/**
 * Positions grow within a partition, so the order over partitions is a merge.
 *
 * @throws SluiceError SLU-4204 if a message is not an event of the lane that the control record belongs to.
 */
export async function decodeFrames(raw: RawBatch, decoder: EventDecoder, plan: ProjectionPlan): Promise<Batch> {
  const { record } = raw
  const queues: BatchEvent[][] = []
  let decoded = 0
  for (const { topic, partition, messages } of raw.parts) {
    const queue: BatchEvent[] = []
    for (const { offset, value } of messages) {
      const outcome = decoder.decode(value)
      const event = outcome instanceof Promise ? await outcome : outcome
      if (event.lane !== record.lane || event.position > record.position) throw foreign(topic, partition, offset)
      queue.push({ event, route: plan.routeOf(event), place: { topic, partition, offset }, message: value })
      if (++decoded % DECODED_IN_ONE_GO === 0) await turn()
    }
    queues.push(queue)
  }
  return {
    lane: record.lane,
    laneName: record.laneName,
    epoch: record.epoch,
    clusterId: record.clusterId,
    events: mergeByPosition(queues),
    through: record.position,
    control: raw.control,
    bytes: raw.bytes,
  }
}

/** Merges queues that are each in position order. */
export function mergeByPosition(queues: readonly (readonly BatchEvent[])[]): readonly BatchEvent[] {
  const open = queues.filter((q) => q.length > 0)
  if (open.length <= 1) return open[0] ?? []
  const heads = open.map((queue) => ({ queue, next: 0, position: queue[0]!.event.position }))
  const merged: BatchEvent[] = []
  while (heads.length > 0) {
    let first = 0
    for (let i = 1; i < heads.length; i++) if (heads[i]!.position < heads[first]!.position) first = i
    const head = heads[first]!
    merged.push(head.queue[head.next]!)
    head.next += 1
    const following = head.queue[head.next]
    if (following) head.position = following.event.position
    else heads.splice(first, 1)
  }
  return merged
}

function foreign(topic: string, partition: number, offset: bigint): SluiceError {
  return new SluiceError('EVENT_NOT_DECODABLE', {
    what: `the message at ${topic}, partition ${partition}, offset ${offset} does not belong to its lane`,
    why: 'its lane or position is not the one that the control record speaks of',
    ways: ['only the relay may write to the topic: see who else can'],
  })
}
