/**
 * One transaction of the workload: what it changed, and how it ended.
 *
 * States: open → committed | rolled back | unknown (the connection broke). Unknown is resolved by asking the server for
 * the state of its transaction id, which was taken before anything was changed.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { quoteIdentifier } from '@sluice/core'
import type pg from 'pg'
import { DatabaseError } from 'pg'
import { isConnectionLost } from './connection.ts'
import { type TableName, quotedTable } from './quoted-table.ts'
import type { Random } from './random.ts'
import { type SampleRow, textOf } from './sample-row.ts'

const STATUS_POLL_MS = 50
/** Leaves every value as PostgreSQL's text. */
const AS_TEXT: pg.CustomTypesConfig = { getTypeParser: () => (value: string) => value }

export interface WorkloadCounts {
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
  readonly contextMessages: number
  readonly outboxEvents: number
}

export const NO_COUNTS: WorkloadCounts = { inserted: 0, updated: 0, deleted: 0, contextMessages: 0, outboxEvents: 0 }

export function addCounts(a: WorkloadCounts, b: WorkloadCounts): WorkloadCounts {
  return {
    inserted: a.inserted + b.inserted,
    updated: a.updated + b.updated,
    deleted: a.deleted + b.deleted,
    contextMessages: a.contextMessages + b.contextMessages,
    outboxEvents: a.outboxEvents + b.outboxEvents,
  }
}

export type Outcome = 'committed' | 'rolled back'

export class WorkloadTransaction {
  readonly client: pg.Client
  readonly random: Random
  #counts: WorkloadCounts = NO_COUNTS
  #transactionId: string | null = null
  #isCommitSent = false

  constructor(client: pg.Client, random: Random) {
    this.client = client
    this.random = random
  }

  get counts(): WorkloadCounts {
    return this.#counts
  }

  /** Rows changed so far. */
  get rows(): number {
    return this.#counts.inserted + this.#counts.updated + this.#counts.deleted
  }

  /** Begins, works and commits, or rolls back in a share of all cases. */
  async run(work: () => Promise<void>, rollbackShare: number): Promise<Outcome | 'unknown'> {
    try {
      await this.client.query('BEGIN')
      const { rows } = await this.client.query<{ id: string }>('SELECT pg_current_xact_id()::text AS id')
      this.#transactionId = rows[0]?.id ?? null
      await work()
      if (this.random.chance(rollbackShare)) return await this.#rollBack()
      this.#isCommitSent = true
      await this.client.query('COMMIT')
      return 'committed'
    } catch (error) {
      if (isConnectionLost(error)) return 'unknown'
      if (isConflict(error)) return this.#rollBack()
      throw error
    }
  }

  /** Asks another connection how this transaction ended. */
  async outcomeSeenBy(client: pg.Client): Promise<Outcome> {
    if (!this.#isCommitSent || this.#transactionId === null) return 'rolled back'
    for (;;) {
      const status = await statusOf(client, this.#transactionId)
      // The server notices a connection that broke within the time of its COMMIT.
      if (status === 'in progress') await delay(STATUS_POLL_MS)
      else return status === 'committed' ? 'committed' : 'rolled back'
    }
  }

  /** @returns the row as it is then, each value in PostgreSQL's text form */
  async insert(table: TableName, row: SampleRow): Promise<Readonly<Record<string, string | null>>> {
    const columns = Object.keys(row)
    const places = columns.map((_, i) => `$${i + 1}`).join(', ')
    const result = await this.client.query<Readonly<Record<string, string | null>>>({
      text: `INSERT INTO ${quotedTable(table)} (${columns.map(quoteIdentifier).join(', ')}) VALUES (${places}) RETURNING *`,
      values: columns.map((column) => textOf(row[column] ?? null)),
      types: AS_TEXT,
    })
    this.add({ inserted: 1 })
    return result.rows[0]!
  }

  /** @returns the rows that the statement gives back */
  async update(sql: string, values: readonly unknown[]): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const result = await this.client.query<Record<string, unknown>>(sql, [...values])
    this.add({ updated: result.rowCount ?? 0 })
    return result.rows
  }

  async delete(sql: string, values: readonly unknown[]): Promise<void> {
    const result = await this.client.query(sql, [...values])
    this.add({ deleted: result.rowCount ?? 0 })
  }

  /** Work whose changes, and their counts, are undone. */
  async undone(work: () => Promise<void>): Promise<void> {
    const before = this.#counts
    await this.client.query('SAVEPOINT undone')
    await work()
    await this.client.query('ROLLBACK TO SAVEPOINT undone')
    this.#counts = before
  }

  add(counts: Partial<WorkloadCounts>): void {
    this.#counts = addCounts(this.#counts, { ...NO_COUNTS, ...counts })
  }

  async #rollBack(): Promise<Outcome> {
    await this.client.query('ROLLBACK')
    return 'rolled back'
  }
}

/** Somebody else changed the same rows: a constraint (23) or a serialization fault or deadlock (40). */
function isConflict(error: unknown): boolean {
  return error instanceof DatabaseError && /^(23|40)/.test(error.code ?? '')
}

/** @returns null for an id that is not known any more, or not yet: a server that crashed gives those again that nothing durable had */
async function statusOf(client: pg.Client, transactionId: string): Promise<string | null> {
  try {
    const { rows } = await client.query<{ status: string | null }>('SELECT pg_xact_status($1::xid8) AS status', [transactionId])
    return rows[0]?.status ?? null
  } catch (error) {
    // "transaction ID … is in the future"
    if (error instanceof DatabaseError && error.code === '22023') return null
    throw error
  }
}
