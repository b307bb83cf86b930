/**
 * The partition of a key, as Kafka's Java client computes it (murmur2, then the positive remainder), so that every client
 * that keeps to Java's default finds a key in the same partition.
 *
 * https://github.com/apache/kafka/blob/4.1/clients/src/main/java/org/apache/kafka/common/utils/Utils.java (murmur2)
 */

const SEED = 0x9747b28c | 0
const M = 0x5bd1e995

/** Signed 32-bit murmur2 of the bytes, with Kafka's seed. */
export function murmur2(data: Buffer): number {
  const { length } = data
  let h = SEED ^ length
  const end = length & ~3
  for (let i = 0; i < end; i += 4) {
    let k = data.readInt32LE(i)
    k = Math.imul(k, M)
    k ^= k >>> 24
    k = Math.imul(k, M)
    h = Math.imul(h, M) ^ k
  }
  const rest = length & 3
  if (rest === 3) h ^= data.readUInt8(end + 2) << 16
  if (rest >= 2) h ^= data.readUInt8(end + 1) << 8
  if (rest >= 1) h = Math.imul(h ^ data.readUInt8(end), M)
  h ^= h >>> 13
  h = Math.imul(h, M)
  h ^= h >>> 15
  return h
}

/** The partition of a message with this key, in a topic with this many partitions. */
export function partitionOf(key: Buffer, partitions: number): number {
  return (murmur2(key) & 0x7fff_ffff) % partitions
}
