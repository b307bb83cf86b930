/**
 * Partitions of a lane: `event_store`, `event_commits` and `event_correlations` are each cut by lane and then by ranges of
 * positions, at the same places, so that old events go by dropping tables.
 *
 * A partition is made as a table of its own and attached: that takes SHARE UPDATE EXCLUSIVE on the parent only, so the
 * writer, even one in a long transaction, and the readers go on (CREATE TABLE … PARTITION OF takes ACCESS EXCLUSIVE).
 * https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-ATTACH-PARTITION
 *
 * `event_partitions` is the list of them, moved in the same transaction.
 */
import { type LaneId, type PositionNumber, positionNumber, quoteIdentifier } from '@sluice/core'
import { type PostgresTarget, connect, toPostgresError } from '@sluice/postgres'
import type { ClientBase } from 'pg'

/** Events a partition holds by default. */
export const PARTITION_EVENTS = 5_000_000

/** The tables that are cut, with the column that says where a row lies. */
export const PARTITIONED_TABLES = ['event_store', 'event_commits', 'event_correlations'] as const

const RANGE_COLUMNS = {
  event_store: 'position',
  event_commits: 'last_position',
  event_correlations: 'first_position',
} as const satisfies Record<(typeof PARTITIONED_TABLES)[number], string>

/** First key of the transaction's advisory lock that serialises changes of a lane's partitions; the second is the lane. */
const PARTITION_LOCK = 0x51_02

export function laneTable(table: (typeof PARTITIONED_TABLES)[number], lane: LaneId): string {
  return quoteIdentifier(`${table}_${lane}`)
}

export function leafTable(table: (typeof PARTITIONED_TABLES)[number], lane: LaneId, first: bigint): string {
  return quoteIdentifier(`${table}_${lane}_p${first}`)
}

export async function lockPartitions(client: ClientBase, lane: LaneId): Promise<void> {
  await client.query('SELECT pg_advisory_xact_lock($1, $2)', [PARTITION_LOCK, lane])
}

/** Gives a new lane its own place in each table. */
export async function attachLanePartitions(client: ClientBase, lane: LaneId): Promise<void> {
  for (const table of PARTITIONED_TABLES) {
    const own = laneTable(table, lane)
    await client.query(`CREATE TABLE ${own} (LIKE ${table} INCLUDING ALL) PARTITION BY RANGE (${RANGE_COLUMNS[table]})`)
    await client.query(`ALTER TABLE ${table} ATTACH PARTITION ${own} FOR VALUES IN (${lane})`)
  }
}

/** Last position that has a place. */
export async function coveredThrough(client: ClientBase, lane: LaneId): Promise<PositionNumber> {
  const { rows } = await client.query<{ covered: string }>(
    'SELECT coalesce(max(last_position), 0)::text AS covered FROM event_partitions WHERE lane = $1',
    [lane],
  )
  return positionNumber(rows[0]!.covered)
}

/** Makes the partition after the last one, in the caller's transaction. */
export async function createNextPartition(client: ClientBase, lane: LaneId, events: number): Promise<void> {
  const first = (await coveredThrough(client, lane)) + 1n
  const end = first + BigInt(events)
  for (const table of PARTITIONED_TABLES) {
    const leaf = leafTable(table, lane, first)
    await client.query(`CREATE TABLE ${leaf} (LIKE ${table} INCLUDING ALL)`)
    await client.query(`ALTER TABLE ${laneTable(table, lane)} ATTACH PARTITION ${leaf} FOR VALUES FROM (${first}) TO (${end})`)
  }
  await client.query('INSERT INTO event_partitions (lane, first_position, last_position) VALUES ($1, $2, $3)', [
    lane,
    first,
    end - 1n,
  ])
}

/**
 * Keeps partitions ahead of the writer, on a connection of its own, so that no batch waits for DDL.
 *
 * K1  `keepAhead` starts at most one piece of work at a time.
 * K2  A piece of work that failed is told by the next `cover` that needs its result, and tried again by it.
 */
export class PartitionKeeper {
  readonly #target: PostgresTarget
  readonly #lane: LaneId
  readonly #events: number
  #covered: PositionNumber
  #work: Promise<void> | null = null

  constructor(target: PostgresTarget, lane: LaneId, events: number, covered: PositionNumber) {
    this.#target = target
    this.#lane = lane
    this.#events = events
    this.#covered = covered
  }

  /** Begins to make the next partition when the one being written is more than half full. */
  keepAhead(position: PositionNumber, onError: (error: unknown) => void): void {
    if (this.#work !== null || this.#covered - position > BigInt(this.#events) + BigInt(this.#events) / 2n) return
    this.#work = this.#extend(this.#covered + 1n)
      .catch(onError)
      .finally(() => (this.#work = null))
  }

  /** Resolves when every position up to `last` has a place. */
  async cover(last: bigint): Promise<void> {
    if (last <= this.#covered) return
    await this.#work
    if (last > this.#covered) await this.#extend(last)
  }

  async close(): Promise<void> {
    await this.#work
  }

  async #extend(last: bigint): Promise<void> {
    const client = await connect(this.#target, { applicationName: 'sluice partitions' })
    try {
      await client.query('BEGIN')
      await lockPartitions(client, this.#lane)
      let covered = await coveredThrough(client, this.#lane)
      while (covered < last) {
        await createNextPartition(client, this.#lane, this.#events)
        covered = await coveredThrough(client, this.#lane)
      }
      await client.query('COMMIT')
      this.#covered = covered
    } catch (error) {
      throw toPostgresError(error, this.#target)
    } finally {
      await client.end()
    }
  }
}
