/**
 * Promise 9: every value arrives as PostgreSQL's own text, from the load and from the WAL alike, whatever the defaults of the
 * server, the database and the role are.
 */
import { parseEventData } from '@sluice/core'
import { connect } from '@sluice/postgres'
import { type LaneDefinition, bigint, other, table, topic } from '@sluice/system'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ReaderFixture, openReaderFixture, shopLane } from './reader-fixture.ts'
import { LATER_LABEL_DDL, TYPES, VALUE_COLUMNS, VALUE_ROWS, VALUE_TYPES_DDL, columnOf, insertEveryValue } from './value-matrix.ts'

const TYPES_DDL = `${VALUE_TYPES_DDL} CREATE TABLE typed (id bigint PRIMARY KEY, ${VALUE_COLUMNS});`

const typed = table('typed', {
  columns: { id: bigint(), ...Object.fromEntries(TYPES.map((type, i) => [columnOf(i), other(type).nullable()])) },
  key: ['id'],
  aggregate: 'Typed',
  topic: topic('typed.all'),
})

/** Everything that changes how a value is printed, away from what Sluice prints. */
const FOREIGN_DEFAULTS = [
  ['DateStyle', 'German, DMY'],
  ['IntervalStyle', 'iso_8601'],
  ['TimeZone', 'Asia/Kolkata'],
  ['extra_float_digits', '-5'],
  ['bytea_output', 'escape'],
  ['search_path', 'public'],
] as const

let source: ReaderFixture
let lane: LaneDefinition
beforeEach(async () => {
  source = await openReaderFixture('reader types', TYPES_DDL)
  lane = shopLane(source.lane.name, { tables: [typed], outbox: null })
  await source.source.query(LATER_LABEL_DDL)
  for (const [name, value] of FOREIGN_DEFAULTS) {
    const { database } = source.sourceTarget
    await source.source.query(`ALTER DATABASE "${database}" SET ${name} = ${name === 'search_path' ? value : `'${value}'`}`)
    await source.source.query(
      `DO $$ BEGIN EXECUTE format('ALTER ROLE %I IN DATABASE %I SET ${name} = ${name === 'search_path' ? value : `''${value}''`}', current_user, current_database()); END $$`,
    )
  }
})
afterEach(async () => {
  await source.close()
})

test('every type and edge value has PostgreSQL’s own text, from the load and from the WAL, in a server of other defaults', async () => {
  const writer = await connect(source.sourceTarget, { applicationName: 'writer' })
  await writer.query(insertEveryValue(0))
  const reader = source.start({ lane })
  await reader.next('connected')
  await writer.query(insertEveryValue(1000))
  await writer.query(`ALTER TYPE mood ADD VALUE 'later'`)
  await writer.query(`INSERT INTO typed (id, ${columnOf(TYPES.indexOf('public.mood'))}) VALUES (2000, 'later')`)
  await source.caughtUp(reader)
  await reader.stop()
  await writer.query(`SELECT set_config('search_path', '', false)`)
  const { rows } = await writer.query<(string | null)[]>({
    text: `SELECT ${TYPES.map((_, i) => columnOf(i)).join(', ')} FROM public.typed ORDER BY id`,
    rowMode: 'array',
    types: { getTypeParser: () => (value: string | Buffer) => String(value) },
  })
  await writer.end()
  const events = (await source.events()).map((event) => {
    const data = parseEventData(event.eventData)
    return 'after' in data ? data.after : {}
  })
  expect(events).toHaveLength(2 * (VALUE_ROWS + 1) + 1)
  for (const [index, row] of rows.entries()) {
    for (const [i, type] of TYPES.entries()) expect([type, events[index]![columnOf(i)]]).toEqual([type, row[i]])
  }
  const textOf = (type: string, row: number): unknown => events[row]![columnOf(TYPES.indexOf(type))]
  expect(textOf('timestamp with time zone', 0)).toBe('2023-12-31 22:00:00.000001+00')
  expect(textOf('double precision', 1)).toBe('0.30000000000000004')
  expect(textOf('interval', 0)).toBe('1 year 2 mons -3 days +04:05:06.789')
  expect(textOf('bytea', 0)).toBe('\\x00ff5c27')
  expect(textOf('date', 3)).toBe('0044-03-15 BC')
  expect(textOf('money', 0)).toBe('$1,234,567.89')
  expect(textOf('regclass', 0)).toBe('public.typed')
  expect(textOf('json', 0)).toBe('{"b" : 1,  "a":[ ], "b":2}')
  expect(textOf('public.mood', events.length - 1)).toBe('later')
})
