/** One fetch request, read committed, to the leader of the given partitions. */
import { type Offset, type SluiceError, type TopicPartition, offsetOf, partitionName } from '@sluice/core'
import type { Cluster } from 'kafkajs'
import { type FetchedPartition, readFetchResponse } from './fetch-response.ts'
import { causesOf, offsetMissing } from './kafka-error.ts'

export interface FetchLimits {
  /** How long the broker waits for the first byte. @default 100 */
  readonly waitMs: number
  /** @default 512 KiB */
  readonly partitionBytesMax: number
  /** @default 4 MiB */
  readonly responseBytesMax: number
}

export const DEFAULT_FETCH_LIMITS: FetchLimits = {
  waitMs: 100,
  partitionBytesMax: 512 * 1024,
  responseBytesMax: 4 * 1024 * 1024,
}

const READ_COMMITTED = 1

export interface FetchPosition extends TopicPartition {
  readonly offset: Offset
}

/** The broker that leads a partition, as the last metadata know it; undefined if the topic has no such partition. */
export function leaderOf(cluster: Cluster, at: TopicPartition): string | undefined {
  return Object.keys(cluster.findLeaderForPartitions(at.topic, [at.partition]))[0]
}

/** @throws SluiceError SLU-5011 if an offset is out of the partition's range; else kafkajs' own errors */
export async function fetchFrom(
  cluster: Cluster,
  nodeId: string,
  positions: readonly FetchPosition[],
  limits: FetchLimits,
): Promise<readonly FetchedPartition[]> {
  const from = new Map(positions.map((p) => [partitionName(p), p.offset]))
  const topics = Map.groupBy(positions, (p) => p.topic)
  const broker = await cluster.findBroker({ nodeId })
  try {
    const response: unknown = await broker.fetch({
      isolationLevel: READ_COMMITTED,
      maxWaitTime: limits.waitMs,
      minBytes: 1,
      maxBytes: limits.responseBytesMax,
      topics: [...topics].map(([topic, list]) => ({
        topic,
        partitions: list.map((p) => ({
          partition: p.partition,
          fetchOffset: p.offset.toString(),
          maxBytes: limits.partitionBytesMax,
        })),
      })),
    })
    return readFetchResponse(response, (at) => from.get(partitionName(at)) ?? offsetOf(0))
  } catch (error) {
    throw (await outOfRange(cluster, error, from)) ?? error
  }
}

async function outOfRange(cluster: Cluster, error: unknown, from: ReadonlyMap<string, Offset>): Promise<SluiceError | undefined> {
  const found = causesOf(error).find((e) => e.name === 'KafkaJSOffsetOutOfRange')
  if (!found || !('topic' in found) || !('partition' in found)) return undefined
  const at = { topic: String(found.topic), partition: Number(found.partition) }
  const { low, high } = await range(cluster, at)
  return offsetMissing({ ...at, offset: from.get(partitionName(at)) ?? 0n, low, high })
}

async function range(cluster: Cluster, { topic, partition }: TopicPartition): Promise<{ low: bigint; high: bigint }> {
  const ask = async (fromBeginning: boolean): Promise<bigint> => {
    const [answer] = await cluster.fetchTopicsOffset([{ topic, partitions: [{ partition }], fromBeginning }])
    return BigInt(answer?.partitions[0]?.offset ?? 0)
  }
  return { low: await ask(true), high: await ask(false) }
}
