/**
 * What a source really committed, told by PostgreSQL itself: a slot of the oracle's own beside the lane's, read by plain SQL.
 *
 *   begin (before the lane's slot is made) ─▶ compare … (each reads, and lets go, what the lane has stored by then) ─▶ begin anew
 *
 * The rows at the end do not tell of a change that was lost and then overwritten, or that was stored twice under two event ids. This does.
 */
import pg from 'pg'
import { type CapturedNames, changesOfLine } from './decoded-change.ts'
import type { CommitChanges, RowChange } from './row-change.ts'
import { type ChangesReport, compareChanges } from './same-changes.ts'

/** Enough for the columns that name a row: they are a table's first. */
const LINE_CHARACTERS_MAX = 1_000
const LINES_A_FETCH = 5_000
const EVENTS_A_PAGE = 10_000

export interface SecondSlotOptions {
  /** Of the source. */
  readonly url: string
  /** Of the source's lane. */
  readonly lane: string
  readonly names: CapturedNames
}

export class SecondSlot {
  readonly #options: SecondSlotOptions
  /** End of the last commit that was compared. */
  #through = 0n

  private constructor(options: SecondSlotOptions) {
    this.#options = options
  }

  /** Makes the slot; it ends with its database. */
  static async begin(options: SecondSlotOptions): Promise<SecondSlot> {
    const slot = new SecondSlot(options)
    await slot.#withClient((client) =>
      client.query(`SELECT pg_create_logical_replication_slot($1, 'test_decoding')`, [slot.#name]),
    )
    return slot
  }

  /** From here on only: for a lane that is made anew. */
  async beginAnew(): Promise<void> {
    this.#through = 0n
    await this.#withClient(async (client) => {
      await client.query('SELECT pg_drop_replication_slot($1)', [this.#name])
      await client.query(`SELECT pg_create_logical_replication_slot($1, 'test_decoding')`, [this.#name])
    })
  }

  /** Everything since the slot's beginning or the last comparison, up to where the lane says that it has stored everything. */
  async compare(pipeline: pg.Client): Promise<ChangesReport> {
    const { rows } = await pipeline.query<{ lane: number; durable: string; through: string; loaded: string | null }>(
      `SELECT l.lane, d.lsn::text AS durable, (d.lsn - '0/0')::text AS through,
         (SELECT max(c.snapshot_lsn) - '0/0' FROM migration_checkpoints c JOIN data_migration_state m ON m.id = c.migration_id
          WHERE m.lane = l.lane AND m.kind = 'load')::text AS loaded
       FROM lanes l CROSS JOIN LATERAL (SELECT greatest(l.stored_lsn, l.keepalive_lsn) AS lsn) d WHERE l.lane_name = $1`,
      [this.#options.lane],
    )
    const lane = rows[0]
    if (lane === undefined || lane.loaded === null) throw new Error(`nothing of lane ${this.#options.lane} is loaded`)
    const wholeFrom = BigInt(lane.loaded)
    const stretch = { after: this.#through, upTo: lane.durable }
    const report = await this.#withClient((client) =>
      compareChanges(this.#committed(client, stretch), storedCommits(pipeline, lane.lane, stretch), wholeFrom),
    )
    this.#through = BigInt(lane.through)
    return report
  }

  /** One a server: a database of a test has a name of its own. */
  get #name(): string {
    return `oracle_${new URL(this.#options.url).pathname.slice(1)}`
  }

  /** Commits with changes of captured tables. PostgreSQL keeps the answer on its disk, and gives a piece of it at a time. */
  async *#committed(client: pg.Client, { after, upTo }: Stretch): AsyncGenerator<CommitChanges> {
    await client.query('BEGIN')
    await client.query(
      `DECLARE decoded NO SCROLL CURSOR FOR
       SELECT (lsn - '0/0')::text AS lsn, left(data, ${LINE_CHARACTERS_MAX}) AS line
       FROM pg_logical_slot_get_changes(${client.escapeLiteral(this.#name)}, ${client.escapeLiteral(upTo)}, NULL,
         'include-xids', '0', 'skip-empty-xacts', '1')`,
    )
    let changes: RowChange[] = []
    for (let isOver = false; !isOver;) {
      const { rows } = await client.query<{ lsn: string; line: string }>(`FETCH ${LINES_A_FETCH} FROM decoded`)
      for (const { lsn, line } of rows) {
        changes.push(...changesOfLine(line, this.#options.names))
        if (!line.startsWith('COMMIT')) continue
        // A server that crashed may have forgotten how far the slot was read.
        if (changes.length > 0 && BigInt(lsn) > after) yield { endLsn: BigInt(lsn), changes }
        changes = []
      }
      isOver = rows.length < LINES_A_FETCH
    }
    await client.query('COMMIT')
  }

  async #withClient<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = new pg.Client({ connectionString: this.#options.url, application_name: 'oracle' })
    await client.connect()
    try {
      return await work(client)
    } finally {
      await client.end()
    }
  }
}

/** Of the WAL: commits that end behind `after`, and not behind `upTo`. */
interface Stretch {
  readonly after: bigint
  /** As PostgreSQL writes it. */
  readonly upTo: string
}

interface StoredRow {
  readonly position: string
  readonly end_lsn: string
  readonly aggregate: string
  readonly op: string
  readonly key: string
  readonly new_key: string | null
}

/** Events of the stream by their commits: not the rows that were loaded, at first or again. */
async function* storedCommits(pipeline: pg.Client, lane: number, stretch: Stretch): AsyncGenerator<CommitChanges> {
  let endLsn = 0n
  let changes: RowChange[] = []
  for (let position = '0', isOver = false; !isOver;) {
    const rows = await storedPage(pipeline, lane, position, stretch)
    for (const { end_lsn: end, aggregate, op, key, new_key: newKey } of rows) {
      if (BigInt(end) !== endLsn) {
        if (changes.length > 0) yield { endLsn, changes }
        endLsn = BigInt(end)
        changes = []
      }
      changes.push({ aggregate, op, key, newKey })
    }
    position = rows.at(-1)?.position ?? position
    isOver = rows.length < EVENTS_A_PAGE
  }
  if (changes.length > 0) yield { endLsn, changes }
}

async function storedPage(
  pipeline: pg.Client,
  lane: number,
  position: string,
  { after, upTo }: Stretch,
): Promise<readonly StoredRow[]> {
  const { rows } = await pipeline.query<StoredRow>(
    `SELECT e.position::text, (c.end_lsn - '0/0')::text AS end_lsn, e.aggregate_type AS aggregate, e.event_data ->> 'op' AS op,
       CASE WHEN e.event_data ->> 'op' = 't' THEN '' ELSE coalesce(e.aggregate_key, e.aggregate_id::text) END AS key,
       CASE WHEN e.event_data ->> 'op' = 'u' THEN e.event_data -> 'after' ->> 'id' END AS new_key
     FROM event_store e
     JOIN LATERAL (SELECT kind, end_lsn FROM event_commits WHERE lane = e.lane AND last_position >= e.position
       ORDER BY last_position LIMIT 1) c ON c.kind = 'commit' OR e.event_data ->> 'op' <> 'r'
     WHERE e.lane = $1 AND e.position > $2 AND c.end_lsn > '0/0'::pg_lsn + $3::numeric AND c.end_lsn <= $4::pg_lsn
     ORDER BY e.position LIMIT ${EVENTS_A_PAGE}`,
    [lane, position, String(after), upTo],
  )
  return rows
}
