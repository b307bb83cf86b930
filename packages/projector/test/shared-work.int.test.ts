/** Decision 0010: the projectors of an independent service share its partitions, over real Kafka and PostgreSQL. */
import { randomUUID } from 'node:crypto'
import { createEventDecoder } from '@sluice/avro'
import { isSluiceError } from '@sluice/core'
import { partitionOf } from '@sluice/kafka'
import { connect } from '@sluice/postgres'
import kafkajs from 'kafkajs'
import { expect, test } from 'vitest'
import { laneSubscriptions, readProjectorState, workOnParked } from '../src/index.ts'
import { advanceLane } from '../src/shared-work.ts'
import { type RunningProjector, Shop } from './projector-fixture.ts'
import { Publisher } from './publisher.ts'
import { TALLY_SERVICE, type TallySystem, defineTally } from './tally-system.ts'
import { created, truncated, updated } from './test-lane.ts'

const KEYS = 60
const PARTITIONS = 6
/** Accounts that there are again after a truncate. */
const COME_AGAIN = KEYS / 2

/** A lane in real topics and the database of its independent service. */
class Tally implements AsyncDisposable {
  readonly definition: TallySystem
  readonly publisher: Publisher
  readonly service: Shop
  readonly members: RunningProjector[] = []
  /** Members that a test lets fail. */
  readonly failing = new Set<RunningProjector>()
  #turn = 0

  private constructor(definition: TallySystem, publisher: Publisher, service: Shop) {
    this.definition = definition
    this.publisher = publisher
    this.service = service
  }

  static async open(): Promise<Tally> {
    const definition = defineTally(`tally_${randomUUID().slice(0, 8)}`)
    const publisher = new Publisher(definition.system)
    await publisher.open()
    return new Tally(definition, publisher, await Shop.open(definition.system.services[TALLY_SERVICE]))
  }

  get position(): bigint {
    return this.publisher.lane.position
  }

  member(limits: Parameters<Shop['start']>[0] = {}): RunningProjector {
    const { system } = this.definition
    const { kafka, registry } = this.publisher
    const source = { system, service: TALLY_SERVICE, kafka, decoder: createEventDecoder(registry, system) }
    const member = this.service.start({ idlePollMs: 20, ...limits }, source)
    this.members.push(member)
    return member
  }

  /** Members that have exactly all partitions between them, each at least one. */
  async shared(...members: readonly RunningProjector[]): Promise<void> {
    await expect
      .poll(
        async () => {
          const { rows } = await this.service.client.query<{ partitions: number; owners: number }>(
            `SELECT count(*) FILTER (WHERE owner IS NOT NULL)::integer AS partitions, count(DISTINCT owner)::integer AS owners
             FROM consumed_offsets WHERE lane_name IS NOT NULL`,
          )
          return rows[0]
        },
        { timeout: 60_000 },
      )
      .toEqual({ partitions: PARTITIONS, owners: members.length })
  }

  /** Every key of both tables gets its next turn, so many times; all of it in one publication. */
  async turns(times = 1): Promise<void> {
    const { accounts, visits } = this.definition
    for (let i = 0; i < times; i++) {
      this.#turn += 1
      for (const table of [accounts, visits]) {
        for (let id = 1; id <= KEYS; id++) {
          const row = { id: String(id), turn: String(this.#turn) }
          this.publisher.lane.write(this.#turn === 1 ? created(table, row) : updated(table, row))
        }
      }
    }
    await this.publisher.publish()
  }

  async applied(through = this.position): Promise<void> {
    const members = this.members.filter((m) => !this.failing.has(m))
    const failed = Promise.race(members.map((m) => m.ended.then(() => new Promise<never>(() => undefined))))
    const reached = expect.poll(async () => (await this.laneApplied()) >= through, { timeout: 60_000 }).toBe(true)
    await Promise.race([reached, failed])
  }

  /** Waits until so many sessions of the service database, or more, stand at a lock. */
  async waitingForLocks(count: number): Promise<void> {
    const waiting = async (): Promise<unknown> => {
      const { rows } = await this.service.client.query<{ n: number }>(
        `SELECT count(*)::integer AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()`,
      )
      return rows[0]?.n
    }
    await expect.poll(waiting, { timeout: 60_000 }).toBeGreaterThanOrEqual(count)
  }

  async laneApplied(): Promise<bigint> {
    return (await readProjectorState(this.service.target)).lanes.get('monolith')?.applied ?? 0n
  }

  /** Promise 6 for what was published: each event once, in the order of its key, none parked. */
  async expectWhole(): Promise<void> {
    const { service } = this
    expect(await service.rows('SELECT count(*) AS events FROM processed_events')).toEqual([{ events: String(this.position) }])
    await this.expectEachToldOnce()
    for (const table of ['accounts', 'visits']) {
      expect(await service.rows(`SELECT count(*)::integer AS keys, min(turn) AS low, max(turn) AS high FROM ${table}`)).toEqual([
        { keys: KEYS, low: String(this.#turn), high: String(this.#turn) },
      ])
    }
  }

  /** A member tells of a transaction when it is committed: the database may show it before. */
  async expectEachToldOnce(): Promise<void> {
    const told = (): unknown => {
      const sums = { applied: 0n, duplicates: 0n, parked: 0n }
      for (const p of this.members.flatMap((m) => m.progress)) {
        if (p.kind !== 'applied') continue
        sums.applied += BigInt(p.applied)
        sums.duplicates += BigInt(p.duplicates)
        sums.parked += BigInt(p.parked)
      }
      return sums
    }
    await expect.poll(told, { timeout: 60_000 }).toEqual({ applied: this.position, duplicates: 0n, parked: 0n })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.service[Symbol.asyncDispose]()
  }
}

async function failure(projector: RunningProjector): Promise<unknown> {
  return projector.ended.then(
    () => null,
    (error: unknown) => error,
  )
}

test('three members share the partitions; one leaves and one comes in the middle; each event takes effect once, in the order of its key', async () => {
  await using tally = await Tally.open()
  const members = [tally.member(), tally.member(), tally.member()]
  await tally.shared(...members)
  const publishing = (async () => {
    for (let i = 0; i < 25; i++) await tally.turns(4)
  })()
  await tally.applied(1_000n)
  await members[0]!.stop()
  await tally.applied(4_000n)
  const late = tally.member()
  await publishing
  await tally.applied()
  await tally.shared(members[1]!, members[2]!, late)
  await tally.turns()
  await tally.applied()
  await tally.expectWhole()
  for (const member of [members[1]!, members[2]!, late]) expect(member.progress.some((p) => p.kind === 'applied')).toBe(true)
})

test('a lane is as far as the least of its partitions, and never goes back', async () => {
  await using tally = await Tally.open()
  const first = tally.member()
  await tally.shared(first)
  await tally.turns()
  await tally.applied()
  await first.stop()
  const before = tally.position
  const { client } = tally.service
  const [subscription] = laneSubscriptions(tally.definition.system, TALLY_SERVICE)
  const raise = async (condition: string, by: number): Promise<bigint> => {
    await client.query(
      `UPDATE consumed_offsets SET applied_position = applied_position + ${by} WHERE lane_name IS NOT NULL AND ${condition}`,
    )
    await advanceLane(client, subscription!)
    return (await tally.laneApplied()) - before
  }
  expect([await raise('partition <> 3', 500), await raise('partition = 3', 200), await raise('partition = 3', 900)]).toEqual([
    0n,
    200n,
    500n,
  ])
  await client.query("UPDATE consumed_offsets SET applied_position = 0 WHERE topic LIKE '%visits'")
  expect(await raise('true', 1)).toBe(500n)
})

test('a member whose partitions another has claimed commits nothing more, though nobody told it', async () => {
  await using tally = await Tally.open()
  const member = tally.member({ revocationMs: 300 })
  tally.failing.add(member)
  await tally.shared(member)
  await tally.turns()
  await tally.applied()
  const applied = await tally.service.contents(['accounts', 'visits', 'processed_events'])
  await tally.service.client.query('UPDATE consumed_offsets SET owner = gen_random_uuid() WHERE lane_name IS NOT NULL')
  await tally.turns()
  const error = await failure(member)
  expect(isSluiceError(error, 'OFFSETS_MOVED'), String(error)).toBe(true)
  expect(await tally.service.contents(['accounts', 'visits', 'processed_events'])).toEqual(applied)
  // Whoever owns them now goes on without a gap.
  tally.member()
  await tally.applied()
  await tally.expectWhole()
})

test('a member takes over a partition only when the transaction that runs there has ended', async () => {
  await using tally = await Tally.open()
  const first = tally.member()
  await tally.shared(first)
  await tally.turns()
  await tally.applied()
  const blocker = await connect(tally.service.target, { applicationName: 'blocker' })
  await blocker.query('BEGIN; LOCK TABLE accounts IN EXCLUSIVE MODE')
  await tally.turns()
  await tally.waitingForLocks(1)
  const second = tally.member()
  // The claim waits behind the transaction that is stuck.
  await tally.waitingForLocks(2)
  await blocker.query('COMMIT')
  await blocker.end()
  await tally.shared(first, second)
  await tally.turns()
  await tally.applied()
  await tally.expectWhole()
})

test('a barrier holds every member; the lane stands only when all its partitions do', async () => {
  await using tally = await Tally.open()
  const members = [tally.member(), tally.member()]
  await tally.shared(...members)
  await tally.turns()
  await tally.applied()
  const stopAt = tally.position + 77n
  await tally.service.client.query(
    `INSERT INTO projector_barriers (lane, requested_by, stop_at, expires_at) VALUES (1, 'test', $1, clock_timestamp() + interval '1 h')`,
    [stopAt.toString()],
  )
  await tally.turns(3)
  const standing = async (): Promise<unknown> => (await readProjectorState(tally.service.target)).barriers[0]?.standingAt
  await expect.poll(standing, { timeout: 60_000 }).toBe(stopAt)
  expect(
    await tally.service.rows('SELECT DISTINCT applied_position AS at FROM consumed_offsets WHERE lane_name IS NOT NULL'),
  ).toEqual([{ at: stopAt.toString() }])
  expect(await tally.service.rows('SELECT count(*) AS events FROM processed_events')).toEqual([{ events: stopAt.toString() }])
  await tally.service.client.query('DELETE FROM projector_barriers')
  await tally.applied()
  await tally.expectWhole()
})

test('a lane does not stand while a transaction of any member runs in it', async () => {
  await using tally = await Tally.open()
  const members = [tally.member(), tally.member()]
  await tally.shared(...members)
  await tally.turns()
  await tally.applied()
  // Whoever has the partition of this key is stuck in its transaction; the other finishes, and answers the barrier.
  const blocker = await connect(tally.service.target, { applicationName: 'blocker' })
  await blocker.query('BEGIN; SELECT FROM accounts WHERE id = 1 FOR UPDATE')
  await tally.turns()
  await tally.waitingForLocks(1)
  const { client } = tally.service
  await client.query(
    `INSERT INTO projector_barriers (lane, requested_by, stop_at, expires_at) VALUES (1, 'test', NULL, clock_timestamp() + interval '1 h')`,
  )
  await tally.waitingForLocks(2)
  const standing = async (): Promise<unknown> => (await readProjectorState(tally.service.target)).barriers[0]?.standingAt
  expect(await standing()).toBeNull()
  await blocker.query('COMMIT')
  await blocker.end()
  await expect.poll(standing, { timeout: 60_000 }).not.toBeNull()
  const events = await tally.service.rows('SELECT count(*) FROM processed_events')
  await tally.turns()
  await expect.poll(standing, { timeout: 60_000 }).not.toBeNull()
  expect(await tally.service.rows('SELECT count(*) FROM processed_events')).toEqual(events)
})

test('events that retention took before they were consumed stop the member that has their partition', async () => {
  await using tally = await Tally.open()
  await tally.turns()
  const { name } = tally.definition.accounts.topic
  const brokers = process.env['SLUICE_TEST_KAFKA_BROKERS']!.split(',')
  const admin = new kafkajs.Kafka({ brokers, clientId: 'test', logLevel: kafkajs.logLevel.NOTHING }).admin()
  await admin.connect()
  await admin.fetchTopicMetadata({ topics: [name] })
  await admin.deleteTopicRecords({ topic: name, partitions: [{ partition: 2, offset: '-1' }] })
  await admin.disconnect()
  const members = [tally.member(), tally.member()]
  const error = await Promise.race(members.map(failure))
  expect(isSluiceError(error, 'EVENTS_MISSING'), String(error)).toBe(true)
  expect(await tally.laneApplied()).toBe(0n)
})

test('a change of key can not be applied by members that see only their own partitions: it is parked', async () => {
  await using tally = await Tally.open()
  tally.member()
  await tally.turns()
  const { accounts } = tally.definition
  tally.publisher.lane.write(updated(accounts, { id: '1000', turn: '9' }, { id: '1' }))
  await tally.publisher.publish()
  await tally.applied()
  expect(await tally.service.rows('SELECT error_message AS why FROM parked_events')).toEqual([
    { why: expect.stringContaining('a change of key of public.accounts touches more than one key') as string },
  ])
  expect(await tally.service.rows('SELECT count(*)::integer AS keys FROM accounts')).toEqual([{ keys: KEYS }])
})

/** A publication in which every account changes, the table is truncated, and half of them come again. */
async function truncateBetweenTurns(tally: Tally): Promise<void> {
  const { accounts } = tally.definition
  const rows = (turn: string): { id: string; turn: string }[] =>
    Array.from({ length: KEYS }, (_, i) => ({ id: String(i + 1), turn }))
  for (const row of rows('2')) tally.publisher.lane.write(updated(accounts, row))
  tally.publisher.lane.write(truncated(accounts))
  for (const row of rows('3').slice(0, COME_AGAIN)) tally.publisher.lane.write(created(accounts, row))
  await tally.publisher.publish()
}

/** Holds a member up before it begins anything in its partitions of accounts. */
async function heldUp(tally: Tally): Promise<{ readonly partitions: ReadonlySet<number>; release(): Promise<void> }> {
  const [{ owner }] = (await tally.service.rows(
    "SELECT min(owner::text) AS owner FROM consumed_offsets WHERE topic LIKE '%accounts'",
  )) as [{ owner: string }]
  const client = await connect(tally.service.target, { applicationName: 'blocker' })
  await client.query('BEGIN')
  const { rows } = await client.query<{ partition: number }>(
    "SELECT partition FROM consumed_offsets WHERE owner = $1 AND topic LIKE '%accounts' FOR UPDATE",
    [owner],
  )
  return { partitions: new Set(rows.map((row) => row.partition)), release: () => client.end() }
}

/** Turns of all accounts, apart for those in some partitions and the others. */
async function turnsIn(tally: Tally, partitions: ReadonlySet<number>): Promise<readonly [held: unknown, others: unknown]> {
  const { rows } = await tally.service.client.query<{ id: string; turn: string }>('SELECT id::text, turn::text FROM accounts')
  const isIn = ({ id }: { id: string }): boolean => partitions.has(partitionOf(Buffer.from(id), 4))
  const turns = (found: typeof rows): unknown => [...new Set(found.map((row) => row.turn))].toSorted()
  return [turns(rows.filter(isIn)), turns(rows.filter((row) => !isIn(row)))]
}

test('a truncate takes effect in each partition in its place, though a member is far ahead of another; it counts once', async () => {
  await using tally = await Tally.open()
  const members = [tally.member(), tally.member()]
  await tally.shared(...members)
  await tally.turns()
  await tally.applied()
  const held = await heldUp(tally)
  await truncateBetweenTurns(tally)
  // The other member is through: its rows are newer than the truncate that the first has still to meet.
  await expect.poll(() => turnsIn(tally, held.partitions), { timeout: 60_000 }).toEqual([['1'], ['3']])
  await held.release()
  await tally.applied()
  expect(await turnsIn(tally, held.partitions)).toEqual([['3'], ['3']])
  expect(await tally.service.rows('SELECT count(*)::integer AS keys FROM accounts')).toEqual([{ keys: COME_AGAIN }])
  expect(await tally.service.rows('SELECT count(*) AS events FROM processed_events')).toEqual([
    { events: String(tally.position) },
  ])
  await tally.expectEachToldOnce()
  for (const member of tally.members.splice(0)) await member.stop()

  // Read again from the beginning, it changes nothing; by a service that has forgotten everything it is built again.
  const beginning = `UPDATE consumed_offsets SET next_offset = 0, events = 0, applied_position = 0, control_offset = 0;
    UPDATE projector_positions SET applied_position = 0`
  for (const from of [beginning, 'TRUNCATE accounts, visits, processed_events, consumed_offsets, projector_positions']) {
    await tally.service.client.query(from)
    const again = tally.member()
    await tally.applied()
    await again.stop()
    tally.members.pop()
    expect(await turnsIn(tally, held.partitions)).toEqual([['3'], ['3']])
    expect(await tally.service.rows('SELECT count(*)::integer AS keys FROM accounts')).toEqual([{ keys: COME_AGAIN }])
    expect(await tally.service.rows('SELECT FROM parked_events')).toEqual([])
  }
})

test('a truncate closes what is parked in the partitions in which it is met, and not yet what is parked in others', async () => {
  await using tally = await Tally.open()
  await tally.shared(tally.member(), tally.member())
  await tally.turns()
  const { accounts } = tally.definition
  for (let id = 1; id <= 12; id++) tally.publisher.lane.write(updated(accounts, { id: String(id), turn: '0' }))
  await tally.publisher.publish()
  await tally.applied()
  const parked = async (): Promise<readonly unknown[]> =>
    (await tally.service.rows('SELECT DISTINCT partition FROM parked_events ORDER BY 1')).map((row) => row['partition'])
  expect(await parked()).toEqual([0, 1, 2, 3])
  const held = await heldUp(tally)
  tally.publisher.lane.write(truncated(accounts))
  await tally.publisher.publish()
  await expect.poll(parked, { timeout: 60_000 }).toEqual([...held.partitions].toSorted((a, b) => a - b))
  await held.release()
  await tally.applied()
  expect(await parked()).toEqual([])
  expect(await tally.service.rows('SELECT FROM accounts')).toEqual([])
  expect(await tally.service.rows('SELECT DISTINCT result, closed_by_position AS by FROM parked_event_results')).toEqual([
    { result: 'closed', by: String(tally.position) },
  ])
})

test('a truncate that members have begun is ended by the one projector that comes after them', async () => {
  await using tally = await Tally.open()
  // The held member is cut off at its stop; nothing else ends what it waits for.
  const members = [tally.member({ stopGraceMs: 200 }), tally.member({ stopGraceMs: 200 })]
  await tally.shared(...members)
  await tally.turns()
  await tally.applied()
  const held = await heldUp(tally)
  await truncateBetweenTurns(tally)
  await expect.poll(() => turnsIn(tally, held.partitions), { timeout: 60_000 }).toEqual([['1'], ['3']])
  await Promise.all(members.map((member) => member.stop()))
  await held.release()
  const { system } = tally.definition
  const whole = { ...system, services: { [TALLY_SERVICE]: { ...system.services[TALLY_SERVICE]!, independent: false } } }
  const { kafka, registry } = tally.publisher
  const source = { system: whole, service: TALLY_SERVICE, kafka, decoder: createEventDecoder(registry, whole) }
  tally.members.splice(0, 2, tally.service.start({ idlePollMs: 20 }, source))
  await tally.applied()
  expect(await turnsIn(tally, held.partitions)).toEqual([['3'], ['3']])
  expect(await tally.service.rows('SELECT count(*)::integer AS keys FROM accounts')).toEqual([{ keys: COME_AGAIN }])
})

test('a truncate that the service refuses is parked once, holds nobody, and is not tried again over newer rows', async () => {
  await using tally = await Tally.open()
  const members = [tally.member(), tally.member()]
  await tally.shared(...members)
  await tally.turns()
  await tally.applied()
  await tally.service.client.query(
    'CREATE TABLE notes (account bigint REFERENCES accounts); INSERT INTO notes SELECT id FROM accounts',
  )
  await truncateBetweenTurns(tally)
  await tally.applied()
  const parked = 'SELECT sqlstate, table_name FROM parked_events'
  expect(await tally.service.rows(parked)).toEqual([{ sqlstate: '23503', table_name: 'notes' }])
  expect(await turnsIn(tally, new Set())).toEqual([[], ['2', '3']])
  await tally.service.client.query('DROP TABLE notes')
  for (const independent of [true, false]) {
    const { system } = tally.definition
    const service = { ...system.services[TALLY_SERVICE]!, independent }
    const outcome = await workOnParked(
      {
        system: { ...system, services: { [TALLY_SERVICE]: service } },
        service: TALLY_SERVICE,
        target: tally.service.target,
        decoder: createEventDecoder(tally.publisher.registry, system),
        signal: new AbortController().signal,
      },
      { command: 'retry', selection: {}, requestedBy: 'test', reason: null },
    )
    expect(outcome).toMatchObject({ applied: 0, refused: 1 })
    expect(outcome.refusals[0]?.message).toContain('a truncate that is tried again of public.accounts touches more than one key')
  }
  expect(await tally.service.rows('SELECT count(*)::integer AS keys FROM accounts')).toEqual([{ keys: KEYS }])
})

test('a service whose tables depend on each other is refused, with every constraint that says so', async () => {
  await using tally = await Tally.open()
  await tally.service.client.query(
    `ALTER TABLE visits ADD account bigint REFERENCES accounts (id); CREATE UNIQUE INDEX one_turn ON accounts (turn)`,
  )
  const error = await failure(tally.member())
  expect(isSluiceError(error, 'SERVICE_NOT_INDEPENDENT'), String(error)).toBe(true)
  expect(String(isSluiceError(error) && error.why)).toMatch(
    /visits_account_fkey of public\.visits refers to public\.accounts; unique index one_turn of public\.accounts/,
  )
})

test('a service that becomes independent goes on where its one projector stopped, and back', async () => {
  await using tally = await Tally.open()
  const { system } = tally.definition
  const whole = { ...system, services: { [TALLY_SERVICE]: { ...system.services[TALLY_SERVICE]!, independent: false } } }
  const alone = (): RunningProjector => {
    const { kafka, registry } = tally.publisher
    const source = { system: whole, service: TALLY_SERVICE, kafka, decoder: createEventDecoder(registry, whole) }
    const one = tally.service.start({ idlePollMs: 20 }, source)
    tally.members.push(one)
    return one
  }
  for (const start of [alone, () => tally.member(), alone, () => tally.member()]) {
    await tally.turns()
    const one = start()
    await tally.applied()
    await one.stop()
  }
  await tally.expectWhole()
})
