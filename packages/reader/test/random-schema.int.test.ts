/**
 * Promises 1, 2 and 9 over random tables: whatever becomes of rows, columns, types, partitions and identities, each event is what a
 * trigger saw of its change, whether it was streamed or came whole, and over restarts; the fold of all events is the source.
 */
import { type RowText, type StoredEvent, parseEventData } from '@sluice/core'
import type { PostgresTarget } from '@sluice/postgres'
import { getLane, verifyChain } from '@sluice/store'
import { type LaneDefinition, topic } from '@sluice/system'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RANDOM_DDL, RandomSource, randomTables, textRows } from './random-source.ts'
import { type ReaderFixture, SYSTEM, openReaderFixture, shopLane } from './reader-fixture.ts'
import { seeded } from './seeded.ts'

const SEED = Number(process.env['SLUICE_TEST_SEED'] ?? Date.now() % 2 ** 31)
const ROUNDS = 8
const TRANSACTIONS = 35
/** A value of so many characters may lie out of line, where an update does not send it. */
const TOAST_CHARACTERS = 1_500

const all = topic('random.all')
const TABLES = randomTables({ typed: all, labels: all, places: all })

let source: ReaderFixture
let lane: LaneDefinition
beforeEach(async () => {
  source = await openReaderFixture('reader random', RANDOM_DDL)
  lane = shopLane(source.lane.name, { tables: Object.values(TABLES), outbox: null })
})
afterEach(async () => {
  await source.close()
})

interface Audit {
  readonly op: 'c' | 'u' | 'd' | 't'
  readonly name: string
  readonly older: RowText | null
  readonly newer: RowText | null
}

async function run(statements: readonly string[]): Promise<void> {
  for (const statement of statements) {
    try {
      await source.source.query(statement)
    } catch (error) {
      throw new Error(`${statement}\nof\n${statements.join('\n')}`, { cause: error })
    }
  }
}

/** PostgreSQL 15 streams nothing below 64 kB. */
async function streamingSource(): Promise<PostgresTarget> {
  const { rowCount } = await source.source.query(`SELECT FROM pg_settings WHERE name = 'debug_logical_replication_streaming'`)
  const options = rowCount === 1 ? '-c debug_logical_replication_streaming=immediate' : '-c logical_decoding_work_mem=64kB'
  return { ...source.sourceTarget, config: { ...source.sourceTarget.config, options } }
}

test('random changes of tables and rows: every event is what a trigger saw, and their fold is the source', async () => {
  process.stdout.write(`random schema: SLUICE_TEST_SEED=${SEED}\n`)
  const random = seeded(SEED)
  const changes = new RandomSource({ random, publicationName: lane.publicationName, breaksDefinition: true })
  for (let i = 0; i < 10; i += 1) await run(changes.rows())
  await source.source.query('TRUNCATE audit')
  let reader = source.start({ lane })
  await reader.next('connected')
  for (let round = 0; round < ROUNDS; round += 1) {
    const away = random(TRANSACTIONS)
    for (let i = 0; i < away; i += 1) await run(changes.next())
    await source.caughtUp(reader)
    await reader.stop()
    for (let i = away; i < TRANSACTIONS; i += 1) await run(changes.next())
    const from = random(2) === 0 ? source.sourceTarget : await streamingSource()
    reader = source.start({ lane, source: from, limits: { batchEventsMax: 1 + random(40) } })
  }
  await source.caughtUp(reader)
  await reader.stop()
  await run(changes.heal())
  reader = source.start({ lane })
  await source.caughtUp(reader)
  await reader.stop()

  const events = await source.events()
  const loaded = events.filter((event) => event.migrationId !== null).length
  const { rows: audit } = await source.source.query<Audit>('SELECT op, name, older, newer FROM audit ORDER BY n')
  const checker = new EventChecker()
  for (const [i, event] of events.slice(loaded).entries()) checker.check(event, audit[i])
  expect(events.length - loaded).toBe(audit.length)
  expect(audit.length).toBeGreaterThan(200)
  process.stdout.write(
    `random schema: ${loaded} loaded, ${audit.length} changes, ${checker.marked} that did not fit, ${checker.unsent} values unsent\n`,
  )
  versionsHaveNoGaps(events)
  const fold = foldOf(events)
  for (const table of lane.tables) {
    const [folded, rows] = [fold.get(table.name)!, await textRows(source.source, table)]
    // The rows that differ alone: all of them would fill the screen.
    expect(folded.filter((row) => !rows.includes(row))).toEqual(rows.filter((row) => !folded.includes(row)))
  }
  expect(await verifyChain(source.pipelineTarget, await getLane(source.store, SYSTEM.name, lane.name))).toMatchObject({
    isWhole: true,
  })
})

/** Compares an event with what the trigger wrote down. */
class EventChecker {
  /** Events that did not fit the definition. */
  marked = 0
  unsent = 0
  /** Tables that did not fit the definition at some time: of a large value there is not always an image under its name. */
  readonly #changed = new Set<string>()

  check(event: StoredEvent, seen: Audit | undefined): void {
    const where = `position ${event.position}, ${event.eventType} ${event.aggregateKey ?? ''}`
    if (!seen) throw new Error(`${where}: no trigger saw it`)
    const table = Object.values(TABLES).find((t) => t.name === seen.name)!
    const data = parseEventData(event.eventData)
    expect([where, table.aggregateType, data.op]).toEqual([where, event.aggregateType, seen.op])
    if (event.sentColumns !== undefined) {
      this.marked += 1
      this.#changed.add(table.name)
    }
    if (seen.newer !== null) {
      const lacks = table.columnNames.some((name) => !Object.hasOwn(seen.newer!, name))
      if (lacks) expect([where, event.sentColumns], where).not.toEqual([where, undefined])
      const after = 'after' in data ? data.after : {}
      const expected = event.sentColumns === undefined ? table.columnNames : Object.keys(seen.newer)
      expect([where, expected.filter((name) => after[name] === undefined && !this.#mayBeUnsent(seen, name))]).toEqual([where, []])
      expect([where, Object.keys(after).filter((name) => !expected.includes(name))]).toEqual([where, []])
      expect([where, after]).toEqual([where, pick(seen.newer, Object.keys(after))])
    }
    const before = 'before' in data ? data.before : undefined
    if (before) expect([where, before]).toEqual([where, pick(seen.older!, Object.keys(before))])
    if (data.op === 'd') expect(Object.keys(data.before)).toEqual(expect.arrayContaining([...table.key]))
  }

  #mayBeUnsent(seen: Audit, name: string): boolean {
    const [older, newer] = [seen.older?.[name], seen.newer?.[name]]
    const isUnsent = this.#changed.has(seen.name) && older === newer && (newer?.length ?? 0) >= TOAST_CHARACTERS
    if (isUnsent) this.unsent += 1
    return isUnsent
  }
}

function pick(row: RowText, names: readonly string[]): RowText {
  return Object.fromEntries(names.map((name) => [name, row[name]!]))
}

function versionsHaveNoGaps(events: readonly StoredEvent[]): void {
  const versions = new Map<string, number>()
  for (const { aggregateType, aggregateId, eventVersion, position } of events) {
    const aggregate = `${aggregateType} ${aggregateId}`
    const version = (versions.get(aggregate) ?? 0) + 1
    expect([position, aggregate, eventVersion]).toEqual([position, aggregate, version])
    versions.set(aggregate, version)
  }
}

/** Rows of each table as JSON texts of the definition's columns, sorted. */
function foldOf(events: readonly StoredEvent[]): ReadonlyMap<string, readonly string[]> {
  const folds = new Map(Object.values(TABLES).map((table) => [table.aggregateType, { table, rows: new Map<string, RowText>() }]))
  for (const event of events) {
    const { table, rows } = folds.get(event.aggregateType)!
    const data = parseEventData(event.eventData)
    const keyOf = (row: RowText): string => JSON.stringify(table.key.map((name) => row[name]))
    if (data.op === 't') rows.clear()
    else if (data.op === 'd') rows.delete(keyOf(data.before))
    else if (data.op === 'c' || data.op === 'r') rows.set(keyOf(data.after), data.after)
    else if (data.op === 'u') {
      const oldKey = keyOf(data.before ?? data.after)
      const row = rows.get(oldKey)
      rows.delete(oldKey)
      rows.set(keyOf(data.after), { ...row, ...data.after })
    }
  }
  return new Map(
    [...folds.values()].map(({ table, rows }) => [
      table.name,
      [...rows.values()].map((row) => JSON.stringify(table.columnNames.map((name) => row[name]))).sort(),
    ]),
  )
}
