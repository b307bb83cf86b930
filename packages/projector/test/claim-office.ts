/** A pipeline database that has claims, and nothing else in it. */
import { randomUUID } from 'node:crypto'
import { type Claim, type ClaimedRow, type Uuid, claimOf, laneId, lsnOf, positionNumber } from '@sluice/core'
import { createTestDatabase } from '@sluice/infra'
import { type PostgresTarget, connect, createPool, inTransaction, postgresTarget } from '@sluice/postgres'
import { createLane, migrateStore, storeClaims } from '@sluice/store'
import type { Client } from 'pg'

export class ClaimOffice implements AsyncDisposable {
  /** As a login that may read claims and nothing else, and that lets itself be locked out. */
  readonly target: PostgresTarget
  readonly client: Client
  readonly #login: string
  readonly #drop: () => Promise<void>

  private constructor(target: PostgresTarget, login: string, client: Client, drop: () => Promise<void>) {
    this.target = target
    this.#login = login
    this.client = client
    this.#drop = drop
  }

  static async open(): Promise<ClaimOffice> {
    const url = process.env['SLUICE_TEST_PIPELINE_URL']
    if (url === undefined) throw new Error('SLUICE_TEST_PIPELINE_URL is not set: run by the integration project of vitest')
    const database = await createTestDatabase(url, 'claim office')
    const owner = postgresTarget('pipeline', database.url)
    await migrateStore(owner)
    const client = await connect(owner, { applicationName: 'claim office' })
    const pool = createPool(owner, { applicationName: 'claim office', max: 1 })
    await inTransaction(pool, (open) =>
      createLane(open, {
        systemName: 'shop',
        laneName: 'monolith',
        sourceName: 'monolith',
        systemIdentifier: '7412345678901234567',
        databaseName: 'shop',
        slotName: 'shop',
        publicationName: 'shop',
        timeline: 1,
        phase: 'streaming',
        storedLsn: lsnOf(100n),
        outboxTopic: null,
      }),
    )
    await pool.end()
    const login = `claims_${randomUUID().slice(0, 8)}`
    await client.query(`CREATE ROLE ${login} LOGIN PASSWORD 'few' IN ROLE sluice_claims`)
    const reader = new URL(database.url)
    reader.username = login
    reader.password = 'few'
    return new ClaimOffice(postgresTarget('claims', reader.href), login, client, () => database.drop())
  }

  /** Claims values of a row, and puts them into the table. */
  async claim(values: Readonly<Record<string, string>>, row: ClaimedRow = 'after'): Promise<readonly Claim[]> {
    const { claims, store } = this.later(values, row)
    await store()
    return claims
  }

  /** The claims of values that are not there until they are stored. */
  later(values: Readonly<Record<string, string>>, row: ClaimedRow = 'after') {
    const eventId = randomUUID() as Uuid
    const claimed = Object.entries(values).map(([column, text]) => ({ claim: claimOf(eventId, row, column, text), text }))
    const store = (): Promise<void> =>
      storeClaims(this.client, { eventId, lane: laneId(1), position: positionNumber(1) }, claimed, null)
    return { claims: claimed.map(({ claim }) => claim), store }
  }

  /** Turns new sessions of the projector away, as a server does that has no more. */
  async close(): Promise<void> {
    await this.client.query(`ALTER ROLE ${this.#login} CONNECTION LIMIT 0`)
  }

  async reopen(): Promise<void> {
    await this.client.query(`ALTER ROLE ${this.#login} CONNECTION LIMIT -1`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.query(`DROP ROLE ${this.#login}`)
    await this.client.end()
    await this.#drop()
  }
}
