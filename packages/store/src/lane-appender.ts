/**
 * The writer of a lane.
 *
 *   idle ──append──▶ (transaction) ──last part of a commit──▶ idle
 *     │                   └──part that leaves a commit open──▶ open ──append──▶ …
 *     └─ any failure ─▶ failed: the transaction is rolled back and the appender refuses; a new one begins from the store.
 *
 * A batch is one transaction of five statements: BEGIN, heads (which also locks the lane's row if it still stands where this
 * appender left it), COPY of the events, the move (links, correlations, lane, processing log, NOTIFY), COMMIT. Where updates came
 * without their unchanged large values, these are asked for first, and a batch that needs many is written in pieces.
 *
 * A1  What `position`, `durableLsn` and the chain's head say is committed.
 * A2  Nothing is written unless the lane's row is held and stands at (position, link, stored_lsn).
 * A3  Positions are given in order without gaps; a link is closed by the last part of its commit only.
 * A4  Memory: the batch that the caller passes, the unchanged values of a piece of it (`unsent-values.ts`), and up to two pieces of
 *     COPY_PIECE_BYTES (or of one event) of it encoded.
 *
 * Killed anywhere before COMMIT, nothing of the batch is left; killed after it, the next appender reads the lane's row.
 */
import type { Hash } from 'node:crypto'
import {
  type CommitInfo,
  type EventDraft,
  type LaneId,
  type Logger,
  type Lsn,
  type PositionNumber,
  SluiceError,
  faultPoint,
  formatLsn,
  isSluiceError,
} from '@sluice/core'
import {
  BinaryCopyEncoder,
  COPY_BINARY_HEADER,
  COPY_BINARY_TRAILER,
  type PostgresTarget,
  connect,
  isConnectionFault,
  sqlStateOf,
  toPostgresError,
} from '@sluice/postgres'
import type { Client, ClientBase } from 'pg'
import { AggregateVersions } from './aggregate-versions.ts'
import { openLink } from './chain.ts'
import { ClosedLinks } from './closed-links.ts'
import { copyIn } from './copy-in.ts'
import { CorrelationRuns } from './correlation-runs.ts'
import type { AppendPart, AppendedRange, EventAppender } from './event-appender.ts'
import { EVENT_COLUMN_LIST, encodeEventTuple } from './event-tuple.ts'
import { EVENTS_CHANNEL } from './lane-listener.ts'
import { type LaneRecord, durableLsnOf } from './lane-record.ts'
import { PARTITION_EVENTS, PartitionKeeper, coveredThrough, laneTable } from './partitions.ts'
import { type FilledPiece, type UnsentValues, filledEventData, filledPieces } from './unsent-values.ts'

export interface AppenderLimits {
  /** Events a partition holds. @default 5,000,000 */
  readonly partitionEvents?: number
  /** How long a statement waits for the lane's row or a head row, in milliseconds. @default 30,000 */
  readonly lockTimeoutMs?: number
}

export interface EventAppenderOptions {
  readonly target: PostgresTarget
  /** The lane as it stands: the appender begins there, and fails at its first batch if the lane has moved since. */
  readonly lane: LaneRecord
  /** Stands in `service_processing_log`. */
  readonly serviceName: string
  readonly logger: Logger
  readonly limits?: AppenderLimits
}

/** Encoded bytes that are handed to the socket at a time, so that PostgreSQL works while the next ones are encoded. */
const COPY_PIECE_BYTES = 128 * 1024
const LOCK_TIMEOUT_MS = 30_000
const LOCK_NOT_AVAILABLE = '55P03'
/** Deadlock, serialization, lock timeout, resources (disk, memory, connections): the same batch may pass later. */
const MAY_PASS = /^(40|53|55P03$|57014$|58)/

/** @throws SluiceError SLU-2001 to SLU-2003, SLU-3001 */
export async function createEventAppender(options: EventAppenderOptions): Promise<EventAppender> {
  const client = await connect(options.target, { applicationName: `sluice reader ${options.lane.laneName}` })
  try {
    await prepareSession(client, options.limits?.lockTimeoutMs ?? LOCK_TIMEOUT_MS)
    const covered = await coveredThrough(client, options.lane.lane)
    const size = options.limits?.partitionEvents ?? PARTITION_EVENTS
    return new LaneAppender(options, client, new PartitionKeeper(options.target, options.lane.lane, size, covered))
  } catch (error) {
    await client.end()
    throw toPostgresError(error, options.target)
  }
}

/**
 * Settings of the writer's session. A commit that spans batches may stay open for long, but a server must notice soon that
 * its client is gone, since the lane's row is locked until then. A commit must be on disk when it is reported. Versions are
 * asked for in sets of thousands, for which a nested loop is never the right plan.
 */
async function prepareSession(client: Client, lockTimeoutMs: number): Promise<void> {
  await client.query(
    `SELECT set_config('idle_in_transaction_session_timeout', '0', false), set_config('statement_timeout', '0', false),
       set_config('lock_timeout', $1, false), set_config('tcp_keepalives_idle', '15', false),
       set_config('tcp_keepalives_interval', '5', false), set_config('tcp_keepalives_count', '3', false),
       set_config('enable_nestloop', 'off', false), set_config('plan_cache_mode', 'force_generic_plan', false),
       set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'
         ELSE current_setting('synchronous_commit') END, false)`,
    [String(lockTimeoutMs)],
  )
}

const HEADS_SQL = `
  WITH held AS (
    SELECT lane FROM lanes WHERE lane = $1 AND position = $2 AND link = $3 AND stored_lsn = $4 FOR NO KEY UPDATE
  ), wanted AS (
    SELECT w.id, ($6::text[])[w.type] AS type, w.events, CASE WHEN w.image > 0 THEN $10::bigint + w.image ELSE w.image END AS image,
      w.place
    FROM unnest($5::uuid[], $7::smallint[], $8::integer[], $9::integer[]) WITH ORDINALITY AS w (id, type, events, image, place)
  ), moved AS (
    INSERT INTO aggregate_heads AS h (aggregate_id, aggregate_type, event_version, image_position, image_lane)
    SELECT w.id, w.type, w.events, w.image, $1 FROM wanted w WHERE EXISTS (SELECT FROM held) ORDER BY w.id, w.type
    ON CONFLICT (aggregate_id, aggregate_type) DO UPDATE SET event_version = h.event_version + EXCLUDED.event_version,
      image_position = coalesce(EXCLUDED.image_position, h.image_position),
      image_lane = CASE WHEN EXCLUDED.image_position IS NULL THEN h.image_lane ELSE EXCLUDED.image_lane END
    RETURNING aggregate_id, aggregate_type, event_version
  )
  SELECT (SELECT count(*) FROM held)::integer AS held,
    (SELECT string_agg(m.event_version::text, ',' ORDER BY w.place)
     FROM moved m JOIN wanted w ON w.id = m.aggregate_id AND w.type = m.aggregate_type) AS versions`

/** The links that a batch closed and the runs of its correlations, as parts of a WITH; parameters $1 to $12. */
const RECORDS = `
  links AS (
    INSERT INTO event_commits (lane, link, kind, first_position, last_position, commit_lsn, end_lsn, committed_at, hash)
    SELECT $1, $2::bigint + c.place, c.kind, c.first, c.last, c.commit_lsn, c.end_lsn,
      timestamptz 'epoch' + c.micros * interval '1 microsecond', substring($9::bytea FROM (c.place::integer - 1) * 32 + 1 FOR 32)
    FROM unnest($3::text[], $4::bigint[], $5::bigint[], $6::pg_lsn[], $7::pg_lsn[], $8::bigint[])
      WITH ORDINALITY AS c (kind, first, last, commit_lsn, end_lsn, micros, place)
  ), runs AS (
    INSERT INTO event_correlations (correlation_id, lane, first_position, last_position)
    SELECT r.id, $1, r.first, r.last FROM unnest($10::text[], $11::bigint[], $12::bigint[]) AS r (id, first, last)
  )`

const RECORDS_SQL = `WITH ${RECORDS} SELECT $1::smallint AS lane`

/** Records, compare-and-set of the lane, the batch's row in the processing log, and the word to those who listen. */
const MOVE_SQL = `
  WITH ${RECORDS}, moved AS (
    UPDATE lanes SET position = $16, link = $17, head = $18, stored_lsn = $19, updated_at = now()
    WHERE lane = $1 AND position = $13 AND link = $14 AND stored_lsn = $15
    RETURNING lane
  ), batch AS (
    INSERT INTO processing_batches (stage, service_name, lane, first_position, last_position, started_at, finished_at)
    SELECT 'reader', $20, m.lane, $13::bigint + 1, $16, now(), clock_timestamp() FROM moved m WHERE $16::bigint > $13::bigint
  )
  SELECT m.lane, pg_notify('${EVENTS_CHANNEL}', m.lane::text) FROM moved m`

const HOLD_SQL = `SELECT lane FROM lanes WHERE lane = $1 AND position = $2 AND link = $3 AND stored_lsn = $4 FOR NO KEY UPDATE`

const KEEPALIVE_SQL = `
  UPDATE lanes SET keepalive_lsn = $5, updated_at = now() WHERE lane = $1 AND position = $2 AND link = $3 AND stored_lsn = $4`

/** The place of a lane: what is committed, or what will be when the open transaction commits. */
interface LanePlace {
  position: PositionNumber
  link: bigint
  head: Buffer
  storedLsn: Lsn
}

/** A commit whose last part has not been written yet. */
interface OpenCommit {
  readonly commit: CommitInfo
  readonly hash: Hash
  readonly first: PositionNumber
}

/** A stretch of encoded bytes that belongs to one commit. */
interface Segment {
  readonly commit: CommitInfo
  /** Where it ends in its piece. */
  readonly end: number
  /** Position of the last event up to here. */
  readonly last: PositionNumber
  readonly isLast: boolean
}

class LaneAppender implements EventAppender {
  readonly #target: PostgresTarget
  readonly #laneName: string
  readonly #lane: LaneId
  readonly #serviceName: string
  readonly #logger: Logger
  readonly #client: Client
  readonly #partitions: PartitionKeeper
  readonly #copySql: string
  readonly #encoder = new BinaryCopyEncoder(4 * COPY_PIECE_BYTES)
  #committed: LanePlace
  #next: LanePlace
  #keepaliveLsn: Lsn | null
  #openCommit: OpenCommit | null = null
  /** Position of the last event that the chain covers; the encoded ones behind it are hashed with their piece. */
  #hashed: PositionNumber
  #state: 'idle' | 'open' | 'failed' | 'closed' = 'idle'

  constructor(options: EventAppenderOptions, client: Client, partitions: PartitionKeeper) {
    const { lane } = options
    this.#target = options.target
    this.#laneName = lane.laneName
    this.#lane = lane.lane
    this.#serviceName = options.serviceName
    this.#logger = options.logger.child({ component: 'store', lane: lane.laneName })
    this.#client = client
    this.#partitions = partitions
    this.#copySql = `COPY ${laneTable('event_store', lane.lane)} (${EVENT_COLUMN_LIST}) FROM STDIN (FORMAT binary)`
    this.#committed = { position: lane.position, link: lane.link, head: lane.head, storedLsn: lane.storedLsn }
    this.#next = { ...this.#committed }
    this.#hashed = lane.position
    this.#keepaliveLsn = lane.keepaliveLsn
  }

  get position(): PositionNumber {
    return this.#committed.position
  }

  get durableLsn(): Lsn {
    return durableLsnOf({ storedLsn: this.#committed.storedLsn, keepaliveLsn: this.#keepaliveLsn })
  }

  async append(parts: readonly AppendPart[], alongside?: (client: ClientBase) => Promise<void>): Promise<AppendedRange | null> {
    return this.#guard(async () => {
      const first = (this.#next.position + 1n) as PositionNumber
      await this.#begin()
      let records: unknown[] | null = null
      for await (const piece of filledPieces(this.#client, this.#lane, parts)) {
        if (records) await this.#record(records)
        const versions = new AggregateVersions()
        for (const part of piece.parts) for (const event of part.events) versions.add(event)
        await this.#holdLane(versions)
        records = await this.#store(piece, versions)
      }
      const last = this.#next.position
      await alongside?.(this.#client)
      if (this.#openCommit === null) await this.#commit(records!)
      else await this.#record(records!)
      return last < first ? null : { first, last }
    })
  }

  async recordKeepalive(lsn: Lsn): Promise<void> {
    return this.#guard(async () => {
      if (this.#state === 'open') throw new Error('a keepalive position can not be recorded inside a commit')
      if (lsn <= this.durableLsn) return
      const { rowCount } = await this.#client.query({
        name: 'sluice_keepalive',
        text: KEEPALIVE_SQL,
        values: [...this.#standing(), formatLsn(lsn)],
      })
      if (rowCount !== 1) throw await this.#laneTaken()
      this.#keepaliveLsn = lsn
    })
  }

  async transact(work: (client: ClientBase) => Promise<void>): Promise<void> {
    return this.#guard(async () => {
      if (this.#state === 'open') throw new Error('other work can not be done inside a commit')
      await this.#begin()
      const { rowCount } = await this.#client.query(HOLD_SQL, this.#standing())
      if (rowCount !== 1) throw await this.#laneTaken()
      await work(this.#client)
      await this.#client.query('COMMIT')
      this.#state = 'idle'
    })
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    await this.#partitions.close()
    // An open transaction ends with its connection, and leaves nothing.
    await this.#client.end()
  }

  /** Runs one call; after a failure the appender can not know what the server holds, and refuses to go on. */
  async #guard<T>(work: () => Promise<T>): Promise<T> {
    if (this.#state === 'failed' || this.#state === 'closed')
      throw new Error(`the appender of ${this.#laneName} is ${this.#state}`)
    try {
      return await work()
    } catch (error) {
      const known = await this.#explain(error)
      this.#state = 'failed'
      throw known
    }
  }

  async #begin(): Promise<void> {
    if (this.#state === 'open') return
    await this.#client.query('BEGIN')
    this.#state = 'open'
  }

  /** Where the lane's row must stand. */
  #standing(): [number, string, string, string] {
    const { position, link, storedLsn } = this.#committed
    return [this.#lane, String(position), String(link), formatLsn(storedLsn)]
  }

  /** Locks the lane's row if it stands where this appender left it, and moves the heads of the batch's aggregates. */
  async #holdLane(versions: AggregateVersions): Promise<void> {
    const { rows } = await this.#client.query<{ held: number; versions: string | null }>({
      name: 'sluice_heads',
      text: HEADS_SQL,
      values: [...this.#standing(), ...versions.parameters(), String(this.#next.position)],
    })
    const answer = rows[0]!
    if (answer.held !== 1) throw await this.#laneTaken()
    versions.setLast(answer.versions === null ? [] : answer.versions.split(',').map(Number))
  }

  /** The records of what is written, in a transaction that goes on. */
  async #record(records: unknown[]): Promise<void> {
    await this.#client.query({ name: 'sluice_records', text: RECORDS_SQL, values: records })
  }

  /** Writes the events of a batch or a piece of it; gives the parameters of its records. */
  async #store({ parts, values }: FilledPiece, versions: AggregateVersions): Promise<unknown[]> {
    const links = new ClosedLinks()
    const runs = new CorrelationRuns()
    const linkBefore = this.#next.link
    if (versions.events > 0) {
      await this.#partitions.cover(this.#next.position + BigInt(versions.events))
      await copyIn(this.#client, this.#copySql, this.#encode(parts, values, versions, links, runs))
      faultPoint('reader.after-copy')
    } else {
      // Parts without events still close their links and move the stored LSN.
      const segments = parts.map((part) => this.#segment(part.commit, part.isLast))
      this.#takePiece(segments, links)
    }
    return [this.#lane, String(linkBefore), ...links.parameters(), runs.ids, runs.firsts.map(String), runs.lasts.map(String)]
  }

  /** The binary COPY of a batch, in pieces. Moves `#next` and the chain as it goes. */
  *#encode(
    parts: readonly AppendPart[],
    values: UnsentValues,
    versions: AggregateVersions,
    links: ClosedLinks,
    runs: CorrelationRuns,
  ): Generator<Buffer, void> {
    yield COPY_BINARY_HEADER
    let segments: Segment[] = []
    for (const part of parts) {
      for (const event of part.events) {
        const whole = values.has(event) ? { ...event, eventData: filledEventData(event, values) } : event
        this.#encodeEvent(part.commit, whole, versions.take(), runs)
        if (this.#encoder.bytes < COPY_PIECE_BYTES) continue
        segments.push(this.#segment(part.commit, false))
        yield this.#takePiece(segments, links)
        segments = []
      }
      segments.push(this.#segment(part.commit, part.isLast))
    }
    yield this.#takePiece(segments, links)
    yield COPY_BINARY_TRAILER
  }

  #encodeEvent(commit: CommitInfo, event: EventDraft, eventVersion: number, runs: CorrelationRuns): void {
    const position = (this.#next.position + 1n) as PositionNumber
    encodeEventTuple(this.#encoder, { lane: this.#lane, position, eventVersion }, commit, event)
    runs.add(event.correlationId, position)
    this.#next.position = position
  }

  #segment(commit: CommitInfo, isLast: boolean): Segment {
    return { commit, end: this.#encoder.bytes, last: this.#next.position, isLast }
  }

  /** The bytes encoded since the last piece, hashed into the links of their commits. */
  #takePiece(segments: readonly Segment[], links: ClosedLinks): Buffer {
    const bytes = this.#encoder.take()
    let at = 0
    for (const segment of segments) {
      const open = this.#openLink(segment.commit)
      open.hash.update(bytes.subarray(at, segment.end))
      at = segment.end
      this.#hashed = segment.last
      if (segment.isLast) this.#closeLink(open, segment.commit, links)
    }
    return bytes
  }

  #openLink(commit: CommitInfo): OpenCommit {
    const open = this.#openCommit
    if (open) {
      if (open.commit.commitLsn === commit.commitLsn && open.commit.kind === commit.kind) return open
      throw new Error(`commit ${formatLsn(commit.commitLsn)} began before ${formatLsn(open.commit.commitLsn)} was complete`)
    }
    if (commit.kind === 'commit' && commit.commitLsn < this.#next.storedLsn) {
      throw new Error(`commit ${formatLsn(commit.commitLsn)} is stored already, up to ${formatLsn(this.#next.storedLsn)}`)
    }
    const first = (this.#hashed + 1n) as PositionNumber
    return (this.#openCommit = { commit, hash: openLink(this.#next.head), first })
  }

  /** A commit that kept no event has no link; its end counts all the same. */
  #closeLink(open: OpenCommit, commit: CommitInfo, links: ClosedLinks): void {
    this.#openCommit = null
    // The end of a commit is known with its last part only: pgoutput tells it in the commit message.
    if (commit.kind === 'commit') this.#next.storedLsn = commit.endLsn
    if (this.#hashed < open.first) return
    const head = open.hash.digest()
    links.add(commit, open.first, this.#hashed, head)
    this.#next.head = head
    this.#next.link += 1n
  }

  async #commit(records: unknown[]): Promise<void> {
    const { position, link, head, storedLsn } = this.#next
    const [, ...standing] = this.#standing()
    const { rowCount } = await this.#client.query({
      name: 'sluice_move',
      text: MOVE_SQL,
      values: [...records, ...standing, String(position), String(link), head, formatLsn(storedLsn), this.#serviceName],
    })
    if (rowCount !== 1) throw await this.#laneTaken()
    faultPoint('reader.before-commit')
    await this.#client.query('COMMIT')
    faultPoint('reader.after-commit')
    this.#committed = { ...this.#next }
    this.#state = 'idle'
    this.#partitions.keepAhead(position, (error) => {
      this.#logger.warn({ err: error }, 'the next partition could not be made yet; it is tried again before it is needed')
    })
  }

  /** The transaction is rolled back, and the error said in our words. */
  async #explain(error: unknown): Promise<unknown> {
    try {
      await this.#client.query('ROLLBACK')
      if (sqlStateOf(error) === LOCK_NOT_AVAILABLE && (await this.#isLaneHeldElsewhere())) return await this.#laneTaken()
    } catch (rollbackError) {
      // The connection is gone, and its transaction with it: the first error says why.
      this.#logger.debug({ err: toPostgresError(rollbackError, this.#target) }, 'rollback was not possible')
    }
    if (isSluiceError(error)) return error
    const state = sqlStateOf(error)
    if (state !== undefined && MAY_PASS.test(state)) return this.#mayPass(error, state)
    return state === undefined && !isConnectionFault(error) ? error : toPostgresError(error, this.#target)
  }

  async #isLaneHeldElsewhere(): Promise<boolean> {
    const { rowCount } = await this.#client.query('SELECT 1 FROM lanes WHERE lane = $1 FOR NO KEY UPDATE SKIP LOCKED', [
      this.#lane,
    ])
    return rowCount === 0
  }

  async #laneTaken(): Promise<SluiceError> {
    const { rows } = await this.#client.query<{ place: string }>(
      `SELECT format('position %s, link %s, LSN %s', position, link, stored_lsn) AS place FROM lanes WHERE lane = $1`,
      [this.#lane],
    )
    const { position, link, storedLsn } = this.#committed
    return new SluiceError('LANE_TAKEN', {
      what: `lane "${this.#laneName}" is written by another reader`,
      why:
        `this reader left it at position ${position}, link ${link}, LSN ${formatLsn(storedLsn)}; ` +
        `the store says ${rows[0]?.place ?? 'that the lane is gone'}`,
      ways: ['sluice status    shows the lane; stop one of its readers, and start the other again'],
    })
  }

  #mayPass(cause: unknown, state: string): SluiceError {
    return new SluiceError('STORE_BUSY', {
      what: `the pipeline database (${this.#target.display}) refused a batch of lane "${this.#laneName}"`,
      why: `SQLSTATE ${state}: ${cause instanceof Error ? cause.message : String(cause)}; nothing of the batch was stored`,
      ways: ['sluice status    shows free space, locks and connections of the pipeline database'],
      cause,
    })
  }
}
