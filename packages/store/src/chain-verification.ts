/**
 * Recomputes a lane's chain from the stored bytes, link by link, and says where it breaks first.
 *
 * The store only grows, so no long snapshot is needed: the lane's place is read first, and everything up to it is checked in
 * pages of links. Holds one page of links and one piece of a COPY.
 */
import { type PostgresTarget, connect, toPostgresError } from '@sluice/postgres'
import type { ClientBase } from 'pg'
import { chainStart } from './chain.ts'
import { Broken, type ChainReport } from './chain-report.ts'
import { copyOut } from './copy-out.ts'
import { EVENT_COLUMN_LIST } from './event-tuple.ts'
import type { LaneRecord } from './lane-record.ts'
import { getLane } from './lanes.ts'
import { type ChainPlace, LinkPage, type LinkRow } from './link-page.ts'

export interface VerifyChainOptions {
  /** Begins after this link, whose own hash is taken as the store has it. @default after what retention dropped */
  readonly afterLink?: bigint
  /** The newest head known outside of the database, from the lane's control topic; its hash in hex. */
  readonly expectedHead?: { readonly link: bigint; readonly head: string }
  readonly onProgress?: (progress: { readonly events: bigint; readonly position: bigint; readonly through: bigint }) => void
  readonly signal?: AbortSignal
}

const PAGE_LINKS = 20_000
const PAGE_EVENTS = 200_000n

/** @throws SluiceError SLU-3002, or what a connection met; a broken chain is a report, no error. */
export async function verifyChain(
  target: PostgresTarget,
  lane: Pick<LaneRecord, 'systemName' | 'laneName'>,
  options: VerifyChainOptions = {},
): Promise<ChainReport> {
  const client = await connect(target, { applicationName: 'sluice verify chain' })
  try {
    const record = await getLane(client, lane.systemName, lane.laneName)
    return await new ChainVerification(client, record, await startOf(client, record, options.afterLink), options).run()
  } catch (error) {
    throw toPostgresError(error, target)
  } finally {
    await client.end()
  }
}

async function startOf(client: ClientBase, lane: LaneRecord, afterLink: bigint | undefined): Promise<ChainPlace> {
  const { rows } = await client.query<{ link: string; hash: Buffer; position: string }>(
    `SELECT link::text AS link, hash, last_position::text AS position FROM (
       SELECT link, hash, last_position FROM event_retention WHERE lane = $1
       UNION ALL SELECT link, hash, last_position FROM event_commits WHERE lane = $1 AND link = $2
     ) known ORDER BY known.link DESC LIMIT 1`,
    [lane.lane, String(afterLink ?? -1n)],
  )
  const [row] = rows
  if (row) return { link: BigInt(row.link), hash: row.hash, position: BigInt(row.position) }
  return { link: 0n, hash: chainStart(lane.epoch), position: 0n }
}

class ChainVerification {
  readonly #client: ClientBase
  readonly #lane: LaneRecord
  readonly #start: ChainPlace
  readonly #options: VerifyChainOptions
  #place: ChainPlace
  #isExpectedMet: boolean

  constructor(client: ClientBase, lane: LaneRecord, start: ChainPlace, options: VerifyChainOptions) {
    this.#client = client
    this.#lane = lane
    this.#start = start
    this.#options = options
    this.#place = start
    this.#isExpectedMet = options.expectedHead === undefined || options.expectedHead.link < start.link
  }

  async run(): Promise<ChainReport> {
    try {
      this.#checkExpected(this.#start.link, this.#start.hash)
      while (this.#place.link < this.#lane.link) await this.#checkPage()
      await this.#checkEnd()
      return this.#report(null)
    } catch (error) {
      if (error instanceof Broken) return this.#report(error.finding)
      throw error
    }
  }

  async #checkPage(): Promise<void> {
    this.#options.signal?.throwIfAborted()
    const links = await this.#nextLinks()
    const page = new LinkPage(links, this.#place, (place) => {
      this.#place = place
      this.#checkExpected(place.link, place.hash)
    })
    const last = links[links.length - 1]!.last
    const sql =
      `SELECT ${EVENT_COLUMN_LIST} FROM event_store ` +
      `WHERE lane = ${this.#lane.lane} AND position > ${this.#place.position} AND position <= ${last} ORDER BY position`
    await copyOut(this.#client, sql, (run) => page.take(run))
    page.end()
    const { position } = this.#place
    this.#options.onProgress?.({ events: position - this.#start.position, position, through: this.#lane.position })
  }

  /** The next links, numbers and positions without a gap; a page of events, or one link that has more. */
  async #nextLinks(): Promise<readonly LinkRow[]> {
    const { rows } = await this.#client.query<{ link: string; first: string; last: string; hash: Buffer }>(
      `SELECT link::text AS link, first_position::text AS first, last_position::text AS last, hash FROM event_commits
       WHERE lane = $1 AND last_position > $2 AND link <= $3 ORDER BY last_position LIMIT ${PAGE_LINKS}`,
      [this.#lane.lane, String(this.#place.position), String(this.#lane.link)],
    )
    const page: LinkRow[] = []
    let { link, position } = this.#place
    for (const row of rows) {
      const next = { link: BigInt(row.link), first: BigInt(row.first), last: BigInt(row.last), hash: row.hash }
      if (next.link !== link + 1n || next.first !== position + 1n) break
      if (page.length > 0 && next.last - this.#place.position > PAGE_EVENTS) break
      page.push(next)
      link = next.link
      position = next.last
    }
    if (page.length > 0) return page
    throw new Broken(
      'link-missing',
      link + 1n,
      position + 1n,
      `link ${link + 1n}, from position ${position + 1n} on, is not there`,
    )
  }

  #checkExpected(link: bigint, hash: Buffer): void {
    const expected = this.#options.expectedHead
    if (expected?.link !== link) return
    this.#isExpectedMet = true
    const found = hash.toString('hex')
    if (found === expected.head) return
    const why = `link ${link} has the hash ${found}, the control topic says ${expected.head}`
    throw new Broken('head-differs', link, this.#place.position, why)
  }

  async #checkEnd(): Promise<void> {
    const { link, hash, position } = this.#place
    if (!this.#isExpectedMet) {
      const why = `the chain ends with link ${link}, the control topic has link ${this.#options.expectedHead?.link ?? 0n}`
      throw new Broken('tail-missing', link, position, why)
    }
    if (link !== this.#lane.link || position !== this.#lane.position || !hash.equals(this.#lane.head)) {
      const why =
        `the chain ends with link ${link}, position ${position}, hash ${hash.toString('hex')}; the lane says ` +
        `link ${this.#lane.link}, position ${this.#lane.position}, hash ${this.#lane.head.toString('hex')}`
      throw new Broken('head-differs', link, position, why)
    }
    await this.#checkNothingBehind()
  }

  /** The reader may have gone on since: then the lane's position now covers what is behind. */
  async #checkNothingBehind(): Promise<void> {
    const { rows } = await this.#client.query<{ position: string; last: string | null }>(
      `SELECT l.position::text AS position, (SELECT max(e.position)::text FROM event_store e WHERE e.lane = l.lane) AS last
       FROM lanes l WHERE l.lane = $1`,
      [this.#lane.lane],
    )
    const [row] = rows
    if (row?.last == null || BigInt(row.last) <= BigInt(row.position)) return
    const why = `the store has position ${row.last}, the lane has given ${row.position} positions`
    throw new Broken('event-added', this.#place.link, BigInt(row.last), why)
  }

  #report(broken: ChainReport['broken']): ChainReport {
    return {
      lane: this.#lane.lane,
      laneName: this.#lane.laneName,
      isWhole: broken === null,
      broken,
      afterLink: this.#start.link,
      links: this.#place.link - this.#start.link,
      events: this.#place.position - this.#start.position,
      link: this.#place.link,
      head: this.#place.hash.toString('hex'),
    }
  }
}
