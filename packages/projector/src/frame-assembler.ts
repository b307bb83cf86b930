/**
 * Finds frames: which messages of which partitions belong to the positions up to P (decision 0007).
 *
 * Control records say for each position the end of every partition of the lane. A frame is complete when all partitions that the
 * service consumes were received up to that end. Frames are taken in order, whole; several small ones at once.
 *
 * F1  A frame is taken only if each partition gave exactly as many events as the control record counts: less is SLU-5011. A
 *     partition that was applied beyond the frame before gives nothing to it, and is counted by the first record that it is not
 *     beyond.
 * F2  What is held stays below `bufferBytesMax` but for the frame that is being completed: partitions that run ahead are paused.
 *     Those that the next frame needs are not, unless a batch can be taken before it: a slow service would be sent frame after frame.
 * F3  A taken batch ends where a source commit ends, unless that commit alone is larger than a batch may be.
 */
import {
  type ControlRecord,
  type Offset,
  type PartitionEnd,
  SluiceError,
  type TopicPartition,
  type Uuid,
  offsetOf,
  parseControlRecord,
  partitionName,
} from '@sluice/core'
import { anotherCluster, anotherEpoch } from './hand-over.ts'
import { type BufferedMessage, PartitionBuffer } from './partition-buffer.ts'
import type { ProjectorLimits } from './projector-limits.ts'

/** A lane as the service consumes it. */
export interface LaneSubscription {
  readonly laneName: string
  readonly controlTopic: string
  readonly topics: readonly string[]
}

export interface PartitionStart {
  /** Where it is fetched from. */
  readonly next: Offset
  readonly events: bigint
  /** Everything below was applied; less than `next` where retention removed what comes after. @default next */
  readonly consumed?: Offset
}

/** Complete frames of one lane, not decoded yet. */
export interface RawBatch {
  readonly record: ControlRecord
  readonly control: TopicPartition & { readonly next: Offset }
  readonly parts: readonly (TopicPartition & { readonly messages: readonly BufferedMessage[] })[]
  readonly events: number
  readonly bytes: number
}

interface HeldRecord {
  readonly record: ControlRecord
  /** Those of its ends that this member waits for. */
  readonly ends: readonly PartitionEnd[]
  readonly offset: Offset
  readonly bytes: number
}

interface Lane {
  readonly subscription: LaneSubscription
  readonly control: PartitionBuffer
  identity: LaneIdentity | null
  /** Control records that were received and not yet taken. */
  records: HeldRecord[]
  /**
   * How many of the first records are known to be complete. What was received stays so: a service that is thousands of records behind
   * does not look at each of them again with every fetch.
   */
  complete: number
}

/** What a lane's control records have to agree in. */
interface LaneIdentity {
  readonly epoch: Uuid
  readonly clusterId: string
}

export interface FrameAssemblerOptions {
  readonly service: string
  readonly subscriptions: readonly LaneSubscription[]
  /** Where each partition begins, the control topics' too, by `partitionName`. */
  readonly start: ReadonlyMap<string, TopicPartition & PartitionStart>
  /** What the service knows of its lanes, by name. */
  readonly lanes: ReadonlyMap<string, LaneIdentity>
  readonly limits: AssemblerLimits
  /** Partitions of the service that other members work on, by `partitionName`. @default none */
  readonly elsewhere?: ReadonlySet<string>
}

type AssemblerLimits = Pick<ProjectorLimits, 'bufferBytesMax' | 'batchEventsMax' | 'batchBytesMax'>

export class FrameAssembler {
  readonly #limits: AssemblerLimits
  readonly #service: string
  readonly #lanes: readonly Lane[]
  readonly #laneOfTopic: ReadonlyMap<string, Lane>
  readonly #data: ReadonlyMap<string, PartitionBuffer>
  readonly #elsewhere: ReadonlySet<string>
  #turn = 0

  constructor(options: FrameAssemblerOptions) {
    const { service, subscriptions, start, lanes } = options
    this.#service = service
    this.#limits = options.limits
    this.#elsewhere = options.elsewhere ?? new Set()
    const control = new Set(subscriptions.map((s) => s.controlTopic))
    this.#lanes = subscriptions.map((subscription) => {
      const place = { topic: subscription.controlTopic, partition: 0 }
      return {
        subscription,
        control: new PartitionBuffer(place, start.get(partitionName(place)) ?? { next: offsetOf(0), events: 0n }),
        records: [],
        complete: 0,
        identity: lanes.get(subscription.laneName) ?? null,
      }
    })
    this.#laneOfTopic = new Map(
      this.#lanes.flatMap((lane) =>
        [lane.subscription.controlTopic, ...lane.subscription.topics].map((topic) => [topic, lane] as const),
      ),
    )
    this.#data = new Map(
      [...start].flatMap(([name, s]) => (control.has(s.topic) ? [] : [[name, new PartitionBuffer(s, s)] as const])),
    )
  }

  /** Bytes of the messages held. */
  get heldBytes(): number {
    return sumOf(this.#buffers(), (buffer) => buffer.bytes)
  }

  receive(place: TopicPartition, messages: readonly { readonly offset: Offset; readonly value: Buffer | null }[]): void {
    const lane = this.#laneOfTopic.get(place.topic)
    if (!lane) return
    if (place.topic !== lane.subscription.controlTopic) {
      this.#data.get(partitionName(place))?.receive(messages)
      return
    }
    lane.control.receive(messages)
    for (const { offset, value } of lane.control.take(lane.control.receivedNext)) {
      // The record is held parsed; it is counted with the bytes of its text.
      const record = this.#identified(lane, value)
      lane.records.push({ record, ends: this.#ends(lane, record), offset, bytes: value.length })
      lane.control.bytes += value.length
    }
  }

  /**
   * Takes complete frames of one lane, the lanes in turn; null if there are none.
   *
   * @param takeEmpty Take frames without an event of this service too.
   * @param except Names of lanes to leave alone.
   * @throws SluiceError SLU-5011
   */
  take(takeEmpty: boolean, except: ReadonlySet<string> = new Set()): RawBatch | null {
    for (let i = 0; i < this.#lanes.length; i++) {
      const lane = this.#lanes[(this.#turn + i) % this.#lanes.length]!
      if (except.has(lane.subscription.laneName)) continue
      const length = this.#completeFrames(lane, takeEmpty)
      if (length === 0) continue
      this.#turn = (this.#turn + i + 1) % this.#lanes.length
      return this.#takeFrames(lane, length)
    }
    return null
  }

  /** Partitions to pause and to resume now, by F2. */
  flow(): { readonly pause: readonly TopicPartition[]; readonly resume: readonly TopicPartition[] } {
    const total = this.heldBytes
    const { bufferBytesMax } = this.#limits
    const share = bufferBytesMax / Math.max(1, this.#data.size + this.#lanes.length)
    const isOver = total > bufferBytesMax
    const needed = new Set<PartitionBuffer>(
      this.#lanes.flatMap((lane) => (isOver && this.#completeFrames(lane, false) > 0 ? [] : this.#neededBy(lane))),
    )
    const pause: TopicPartition[] = []
    const resume: TopicPartition[] = []
    for (const buffer of this.#buffers()) {
      const isFull = buffer.bytes > share || (isOver && buffer.bytes > 0)
      if (!buffer.isPaused && isFull && !needed.has(buffer)) {
        buffer.isPaused = true
        pause.push({ topic: buffer.topic, partition: buffer.partition })
      } else if (buffer.isPaused && (needed.has(buffer) || buffer.bytes <= share / 2)) {
        buffer.isPaused = false
        resume.push({ topic: buffer.topic, partition: buffer.partition })
      }
    }
    return { pause, resume }
  }

  /** What the oldest incomplete frame of each lane still waits for. */
  awaited(): readonly { readonly end: PartitionEnd; readonly received: Offset }[] {
    return this.#lanes.flatMap((lane) => {
      const [first] = lane.records
      if (!first) return []
      return first.ends.flatMap((end) => {
        const received = this.#data.get(partitionName(end))?.receivedNext ?? offsetOf(0)
        return received < end.end ? [{ end, received }] : []
      })
    })
  }

  /** The first record of a lane says which epoch and cluster the service consumes, if it has not consumed before. */
  #identified(lane: Lane, value: Buffer): ControlRecord {
    const record = parseControlRecord(value.toString('utf8'))
    lane.identity ??= record
    const { epoch, clusterId } = lane.identity
    if (record.epoch !== epoch) throw anotherEpoch(this.#service, record.laneName, epoch, record.epoch)
    if (record.clusterId !== clusterId) throw anotherCluster(this.#service, clusterId, record.clusterId)
    return record
  }

  #buffers(): readonly PartitionBuffer[] {
    return [...this.#lanes.map((lane) => lane.control), ...this.#data.values()]
  }

  #ends(lane: Lane, record: ControlRecord): readonly PartitionEnd[] {
    return record.partitions.filter((p) => lane.subscription.topics.includes(p.topic) && !this.#elsewhere.has(partitionName(p)))
  }

  #neededBy(lane: Lane): readonly PartitionBuffer[] {
    const incomplete = lane.records[this.#completeRecords(lane)]
    // Without a record to complete it is the control topic that everything waits for.
    if (!incomplete) return [lane.control]
    return incomplete.ends.flatMap((end) => {
      const buffer = this.#data.get(partitionName(end))
      return buffer && buffer.receivedNext < end.end ? [buffer] : []
    })
  }

  #completeRecords(lane: Lane): number {
    while (lane.records[lane.complete]?.ends.every((end) => this.#isReceived(end))) lane.complete += 1
    return lane.complete
  }

  #isReceived(end: PartitionEnd): boolean {
    return (this.#data.get(partitionName(end))?.receivedNext ?? -1n) >= end.end
  }

  /** How many of the lane's first records make a batch, by F3; 0 if none may be taken yet. */
  #completeFrames(lane: Lane, takeEmpty: boolean): number {
    const measured = new Map<string, number>()
    let events = 0
    let bytes = 0
    let commitEnds = 0
    const complete = this.#completeRecords(lane)
    for (const [index, { record, ends }] of lane.records.entries()) {
      if (index >= complete) break
      for (const end of ends) {
        const name = partitionName(end)
        const skip = measured.get(name) ?? 0
        const more = this.#data.get(name)?.measure(end.end, skip) ?? { count: 0, bytes: 0 }
        measured.set(name, skip + more.count)
        events += more.count
        bytes += more.bytes
      }
      const isFull = events >= this.#limits.batchEventsMax || bytes >= this.#limits.batchBytesMax
      // A frame that would make the batch too large waits for the next, if this one can end before it.
      if (isFull && commitEnds > 0 && (events > this.#limits.batchEventsMax || bytes > this.#limits.batchBytesMax))
        return commitEnds
      if (record.commitEnd) commitEnds = index + 1
      if (isFull) return commitEnds > 0 ? commitEnds : index + 1
    }
    return events > 0 || takeEmpty ? commitEnds : 0
  }

  #takeFrames(lane: Lane, length: number): RawBatch {
    const last = lane.records[length - 1]!
    lane.control.bytes -= sumOf(lane.records.splice(0, length), (r) => r.bytes)
    lane.complete -= length
    let events = 0
    let bytes = 0
    const parts = last.ends.flatMap((end) => {
      const buffer = this.#data.get(partitionName(end))
      if (!buffer || end.end < buffer.consumedNext) return []
      const met = buffer.takenEvents
      const messages = buffer.take(end.end)
      if (buffer.takenEvents !== end.events) throw countDiffers(this.#service, end, met, messages.length)
      events += messages.length
      bytes += sumOf(messages, (m) => m.value.length)
      return messages.length === 0 ? [] : [{ topic: end.topic, partition: end.partition, messages }]
    })
    const control = { topic: lane.subscription.controlTopic, partition: 0, next: offsetOf(last.offset + 1n) }
    return { record: last.record, control, parts, events, bytes }
  }
}

function sumOf<Item>(items: readonly Item[], measure: (item: Item) => number): number {
  return items.reduce((sum, item) => sum + measure(item), 0)
}

function countDiffers(service: string, end: PartitionEnd, met: bigint, arrived: number): SluiceError {
  const expected = end.events - met
  const isLess = BigInt(arrived) < expected
  return new SluiceError('EVENTS_MISSING', {
    what: `service "${service}" can not go on in ${end.topic}, partition ${end.partition}`,
    why: isLess
      ? `${expected - BigInt(arrived)} of ${expected} events up to offset ${end.end} are no longer there: retention or a hand removed them`
      : `${arrived} events up to offset ${end.end} arrived, and the relay published ${expected}: someone else writes to the topic`,
    ways: [
      `sluice status    shows how far each service is; retention of ${end.topic} must be longer than a service may be away`,
      'restore the topic from a copy, or rebuild the service from the event store',
    ],
  })
}
