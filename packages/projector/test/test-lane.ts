/**
 * A lane as reader and relay would publish it: events with positions and versions, in the partition of their key, one control
 * record a publication. Messages are JSON instead of Avro.
 */
import { randomUUID } from 'node:crypto'
import {
  type Claim,
  type ControlRecord,
  type Operation,
  type PartitionEnd,
  type RowText,
  type TopicPartition,
  type Uuid,
  aggregateName,
  tableAggregateName,
  epochMicros,
  formatControlRecord,
  formatLsn,
  laneId,
  lsnOf,
  namespaceBytes,
  partitionName,
  positionNumber,
  streamedEventId,
} from '@sluice/core'
import { partitionOf } from '@sluice/kafka'
import { type CapturedTable, type ProjectedEvent, controlTopicName } from '@sluice/system'
import type { EventDecoder } from '@sluice/avro'
import type { FakeKafka } from './fake-kafka.ts'

export interface Change {
  readonly table: CapturedTable | null
  readonly op: Operation
  readonly before?: RowText
  readonly after?: RowText
  readonly eventType?: string
  readonly payload?: string
  /** Values that are not in the message. */
  readonly claims?: readonly Claim[]
}

export const created = (table: CapturedTable, after: RowText): Change => ({ table, op: 'c', after })
export const loaded = (table: CapturedTable, after: RowText): Change => ({ table, op: 'r', after })
export const updated = (table: CapturedTable, after: RowText, before?: RowText): Change => ({
  table,
  op: 'u',
  after,
  ...(before ? { before } : {}),
})
export const deleted = (table: CapturedTable, before: RowText): Change => ({ table, op: 'd', before })
export const truncated = (table: CapturedTable): Change => ({ table, op: 't' })
export const announced = (eventType: string, payload: object): Change => ({
  table: null,
  op: 'e',
  eventType,
  payload: JSON.stringify(payload),
})

export interface TestMessage extends TopicPartition {
  readonly event: ProjectedEvent
}

export class TestLane {
  readonly id = laneId(1)
  readonly epoch: Uuid
  readonly #kafka: FakeKafka
  readonly #system: string
  readonly #laneName: string
  readonly #ownTopic: string
  readonly #ends = new Map<string, PartitionEnd>()
  readonly #versions = new Map<string, number>()
  #position = 0n
  #previous = 0n
  #lsn = 0x1000n
  #pending: TestMessage[] = []
  /** Every event of the lane, in position order. */
  readonly events: ProjectedEvent[] = []

  constructor(kafka: FakeKafka, options: { system: string; laneName: string; ownTopic: string; epoch?: Uuid }) {
    this.#kafka = kafka
    this.#system = options.system
    this.#laneName = options.laneName
    this.#ownTopic = options.ownTopic
    this.epoch = options.epoch ?? (randomUUID() as Uuid)
  }

  get position(): bigint {
    return this.#position
  }

  /** One source commit, published at once with its control record. Returns its events. */
  commit(...changes: readonly Change[]): readonly ProjectedEvent[] {
    const events = this.write(...changes)
    this.publish()
    return events
  }

  /** One source commit, not published yet. */
  write(...changes: readonly Change[]): readonly ProjectedEvent[] {
    this.#lsn += 0x100n
    const events = changes.map((change, ordinal) => this.#eventOf(change, ordinal))
    this.events.push(...events)
    for (const event of events) {
      const topic = this.#topicOf(event, changes[events.indexOf(event)]!)
      const count = this.#kafka.partitionsOf(topic)
      const ofKey = partitionOf(Buffer.from(event.aggregateKey ?? event.aggregateId), count)
      const partitions = event.op === 't' ? Array.from({ length: count }, (_, i) => i) : [ofKey]
      for (const partition of partitions) this.#pending.push({ topic, partition, event })
    }
    return events
  }

  /** Publishes what was written in one Kafka transaction. */
  publish(options: { commitEnd?: boolean } = {}): void {
    const messages = this.take()
    const offsets = this.#kafka.transact(messages.map((m) => ({ ...m, value: encode(m.event) })))
    const record = this.record(messages, offsets, options)
    const topic = controlTopicName(this.#system, this.#laneName)
    this.#kafka.transact([{ topic, partition: 0, value: Buffer.from(formatControlRecord(record)) }])
  }

  /** Publishes messages whose positions were passed over before, as the relay does with an event that was parked there. */
  publishLate(messages: readonly TestMessage[]): void {
    this.#pending.unshift(...messages)
    this.publish()
  }

  /** What was written and not published yet, for a caller that publishes it elsewhere. */
  take(): readonly TestMessage[] {
    return this.#pending.splice(0)
  }

  /** The control record of messages that were published at these offsets. */
  record(
    messages: readonly TestMessage[],
    offsets: readonly bigint[],
    options: { commitEnd?: boolean; clusterId?: string } = {},
  ): ControlRecord {
    messages.forEach(({ topic, partition }, i) => {
      const name = partitionName({ topic, partition })
      const events = (this.#ends.get(name)?.events ?? 0n) + 1n
      this.#ends.set(name, { topic, partition, end: (offsets[i]! + 1n) as PartitionEnd['end'], events })
    })
    const record: ControlRecord = {
      lane: this.id,
      laneName: this.#laneName,
      epoch: this.epoch,
      position: positionNumber(this.#position),
      previous: positionNumber(this.#previous),
      commitEnd: options.commitEnd ?? true,
      link: this.#lsn,
      head: '00',
      partitions: [...this.#ends.values()],
      clusterId: options.clusterId ?? this.#kafka.clusterId,
    }
    this.#previous = this.#position
    return record
  }

  #eventOf(change: Change, ordinal: number): ProjectedEvent {
    this.#position += 1n
    const { table, op } = change
    const row = change.after ?? change.before
    const name =
      table === null
        ? { id: randomUUID(), key: null }
        : op === 't'
          ? tableAggregateName(`${table.schema}.${table.name}`)
          : aggregateName(table.key.map((c) => row?.[c] ?? ''))
    const type = table?.aggregateType ?? 'Own'
    const version = (this.#versions.get(`${type}/${name.id}`) ?? 0) + 1
    this.#versions.set(`${type}/${name.id}`, version)
    return {
      eventId: streamedEventId(namespaceBytes(this.epoch), lsnOf(this.#lsn), ordinal),
      eventType: change.eventType ?? `${type}.${op}`,
      aggregateType: type,
      aggregateId: name.id,
      aggregateKey: name.key,
      version,
      lane: this.id,
      position: this.#position,
      commitLsn: formatLsn(lsnOf(this.#lsn)),
      committedAtMicros: epochMicros(1_700_000_000_000_000n + this.#position),
      context: { correlationId: `tx-${this.#lsn}` },
      migrationId: null,
      op,
      before: change.before ?? null,
      after: change.after ?? null,
      payload: change.payload ?? null,
      ...(change.claims ? { claims: change.claims } : {}),
    }
  }

  #topicOf(event: ProjectedEvent, change: Change): string {
    return event.op === 'e' ? this.#ownTopic : change.table!.topic.name
  }
}

function encode(event: ProjectedEvent): Buffer {
  return Buffer.from(JSON.stringify(event, (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value)))
}

export const jsonDecoder: EventDecoder = {
  decode(value) {
    const raw = JSON.parse(value.toString('utf8')) as Omit<ProjectedEvent, 'position' | 'committedAtMicros'> & {
      position: string
      committedAtMicros: string
    }
    return { ...raw, position: BigInt(raw.position), committedAtMicros: BigInt(raw.committedAtMicros) }
  },
}
