/**
 * Keys of a target's rows by the partition that their events are in: what a truncate ends for the member that has the partition
 * (decision 0016). Rows of the other partitions may be ahead of the truncate or behind it, and are not its business.
 */
import { aggregateName } from '@sluice/core'
import { partitionOf } from '@sluice/kafka'
import type { ClientBase } from 'pg'

export interface EndedPartitions {
  readonly topic: string
  readonly partitions: readonly number[]
}

/**
 * Keys in groups of at most `rowsMax`, as the table was when this began, whatever is deleted meanwhile. Runs inside the caller's
 * transaction.
 *
 * @param keysQuery Gives the key of every row as a text array `key`.
 */
export async function* keysInPartitions(
  client: ClientBase,
  keysQuery: string,
  { topic, partitions }: EndedPartitions,
  rowsMax: number,
): AsyncGenerator<readonly (readonly string[])[], void> {
  // What Kafka has, and not what the definition says: by that the relay chose the partition.
  const { rows: counted } = await client.query<{ partitions: number }>(
    'SELECT count(*)::integer AS partitions FROM public.consumed_offsets WHERE topic = $1',
    [topic],
  )
  const count = counted[0]!.partitions
  const ended = new Set(partitions)
  await client.query(`DECLARE sluice_keys NO SCROLL CURSOR FOR ${keysQuery}`)
  for (;;) {
    const { rows } = await client.query<{ key: string[] }>(`FETCH ${rowsMax} FROM sluice_keys`)
    if (rows.length === 0) break
    const keys = rows.map((row) => row.key).filter((key) => ended.has(partitionOf(messageKey(key), count)))
    if (keys.length > 0) yield keys
  }
  await client.query('CLOSE sluice_keys')
}

/** The key under which the relay publishes a row's events. */
function messageKey(key: readonly string[]): Buffer {
  const name = aggregateName(key)
  return Buffer.from(name.key ?? name.id, 'utf8')
}
