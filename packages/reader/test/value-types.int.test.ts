/**
 * Promise 9: every value arrives as PostgreSQL's own text, from the load and from the WAL alike, whatever the defaults of the
 * server, the database and the role are.
 */
import { parseEventData } from '@sluice/core'
import { connect } from '@sluice/postgres'
import { type LaneDefinition, bigint, other, table, topic } from '@sluice/system'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type ReaderFixture, openReaderFixture, shopLane } from './reader-fixture.ts'

/** Column type as PostgreSQL writes it, and SQL literals, one a row in turn. */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  boolean: ['true', 'false'],
  smallint: ['-32768', '32767'],
  integer: ['-2147483648', '2147483647'],
  bigint: ['-9223372036854775808', '9007199254740993'],
  oid: ['4294967295'],
  numeric: [
    `'NaN'`,
    `'Infinity'`,
    `'-Infinity'`,
    '1.10',
    '-0.000000000000000000001',
    '123456789012345678901234567890.5',
    `('1e' || 1000)::numeric`,
  ],
  'numeric(14,2)': ['1.1', `'NaN'`, '-999999999999.99'],
  'numeric(3,-2)': ['12300'],
  real: ['0.1', '3.4028235e38', `'NaN'`, `'Infinity'`, `'-0'`, '1.17549435e-38'],
  'double precision': ['0.1', '0.30000000000000004', `'NaN'`, `'-Infinity'`, `'-0'`, '5e-324', '1.7976931348623157e308'],
  money: ['1234567.89', '-0.01'],
  date: [`'2024-02-29'`, `'infinity'`, `'-infinity'`, `'0044-03-15 BC'`, `'5874897-12-31'`, `'4714-11-24 BC'`],
  'time without time zone': [`'23:59:59.999999'`, `'24:00'`, `'00:00:00.000001'`],
  'time with time zone': [`'23:59:59.999999+05:30'`, `'24:00-15:59:59'`],
  'timestamp without time zone': [
    `'2024-01-01 00:00:00.000001'`,
    `'infinity'`,
    `'-infinity'`,
    `'0044-03-15 12:00:00.5 BC'`,
    `'294276-12-31 23:59:59.999999'`,
  ],
  'timestamp with time zone': [
    `'2024-01-01 00:00:00.000001+02'`,
    `'infinity'`,
    `'-infinity'`,
    `'0044-03-15 12:00:00.5+00 BC'`,
    `'294276-12-31 23:59:59.999999+00'`,
    `'1883-11-18 12:03:58 America/New_York'`,
  ],
  interval: [`'1 year 2 mons -3 days 04:05:06.789'`, `'-1 day 00:00:01'`, `'0'`, `'178000000 years'`, `'-00:00:00.000001'`],
  'character(5)': [`'ab'`, `''`],
  '"char"': [`'x'`, `''`],
  name: [`'a name'`],
  'character varying(20)': [`'ab '`, `''`],
  text: [
    `''`,
    `E'tab\\t line\\n return\\r \\\\ "quoted" \\\\N \\x01 \\x7f'`,
    `'Zürich 東京 😀 e\u0301'`,
    `repeat('long ü ', 3000)`,
  ],
  bytea: [`'\\x00ff5c27'`, `''`, `decode(repeat('00ff', 9000), 'hex')`],
  'bit(3)': [`B'101'`],
  'bit varying(70)': [`B''`, `repeat('10', 35)::varbit`],
  uuid: [`'6F1F3E0A-6C0F-4D0B-9C53-1D2A4F0B7C11'`],
  json: [`'{"b" : 1,  "a":[ ], "b":2}'`, `'null'`, `'"\\u0041"'`],
  jsonb: [
    `'{"b":1.0,"a":{"x":[null,true,-1e10]},"":""}'`,
    `'null'`,
    `(SELECT jsonb_object_agg('key ' || g, repeat('v', g % 50)) FROM generate_series(1, 5000) g)`,
  ],
  jsonpath: [`'$.a[*] ? (@ > 2)'`],
  xml: [`'<a b="c">d &amp; e</a>'`, `'content only'`],
  'text[]': [`'{}'`, `ARRAY['a b', NULL, 'NULL', '', '"', '\\', 'ü,{}']`, `'{{a,b},{c,d}}'`],
  'integer[]': [`'{{1,2},{3,4}}'`, `'[0:1]={7,8}'`, `'[-2:-1][3:3]={{1},{NULL}}'`, `'{{{1}},{{2}}}'`],
  'timestamp with time zone[]': [`ARRAY['2024-01-01 00:00+02', 'infinity']::timestamptz[]`],
  int4range: [`'[1,5)'`, `'empty'`, `'(,)'`, `'(3,)'`],
  numrange: [`'[1.10,2.2]'`],
  daterange: [`'[2024-01-01,infinity]'`],
  tstzrange: [`'["2024-01-01 00:00+02",)'`],
  int4multirange: [`'{}'`, `'{[1,3),[5,7)}'`],
  tstzmultirange: [`'{[2024-01-01,2024-02-01),[2025-01-01,]}'`],
  'public.mood': [`'happy'`, `'über so'`],
  'public.mood[]': [`'{happy,"über so"}'`],
  'public.short_text': [`'abc'`],
  'public.positive': ['1.50'],
  'public.pair': [`ROW(1, 'a "b", (c)')`, `ROW(NULL, '')`, `ROW(2, NULL)`],
  'public.pair[]': [`ARRAY[ROW(1, 'a'), NULL, ROW(NULL, '"')]::public.pair[]`],
  'public.nested': [`ROW(ROW(1, 'x'), '2024-01-01 00:00+02', ARRAY[1.10, 'NaN'])`],
  'public.hstore': [`'a=>1, "b c"=>NULL, "q\\""=>"ü, x"'`, `''`],
  'public.citext': [`'Zürich'`],
  point: [`'(0.1,-1e-300)'`],
  line: [`'{1,2,3}'`],
  lseg: [`'[(0,0),(1,0.1)]'`],
  box: [`'(1,1),(0,0)'`],
  path: [`'[(0,0),(1,1)]'`, `'((0,0),(1,1))'`],
  polygon: [`'((0,0),(1,1),(0,1))'`],
  circle: [`'<(0,0),0.1>'`],
  inet: [`'10.0.0.1/24'`, `'::1'`, `'::ffff:1.2.3.4/128'`],
  cidr: [`'10.0.0.0/8'`, `'2001:db8::/32'`],
  macaddr: [`'08:00:2b:01:02:03'`],
  macaddr8: [`'08:00:2b:01:02:03:04:05'`],
  tsvector: [`to_tsvector('simple', 'a fat cat')`, `'''a '' quote'':1A b:2,3'`],
  tsquery: [`'fat & (rat | !cat:AB)'`],
  pg_lsn: [`'16/B374D848'`],
  pg_snapshot: [`'10:20:10,14,15'`],
  regclass: [`'public.typed'`, `'pg_catalog.pg_class'`],
  regtype: [`'public.mood'`, `'timestamp with time zone'`],
  regrole: [`current_role::text::regrole`],
}

const TYPES = Object.keys(VALUES)
const columnOf = (index: number): string => `c${index}`
const ROWS = Math.max(...Object.values(VALUES).map((values) => values.length))

const TYPES_DDL = `
  CREATE EXTENSION hstore SCHEMA public;
  CREATE EXTENSION citext SCHEMA public;
  CREATE TYPE mood AS ENUM ('happy', 'sad');
  CREATE DOMAIN short_text AS varchar(10);
  CREATE DOMAIN positive AS numeric(9,3) CHECK (VALUE > 0);
  CREATE TYPE pair AS (x integer, y text);
  CREATE TYPE nested AS (p pair, at timestamptz, n numeric[]);
  CREATE TABLE typed (id bigint PRIMARY KEY, ${TYPES.map((type, i) => `${columnOf(i)} ${type}`).join(', ')});`

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

function insertRows(from: number): string {
  const rows = Array.from({ length: ROWS }, (_, row) => {
    const literals = TYPES.map((type) => {
      const values = VALUES[type]!
      return `(${values[row % values.length]!})::${type}`
    })
    return `(${from + row}, ${literals.join(', ')})`
  })
  return `INSERT INTO typed VALUES ${rows.join(', ')}, (${from + ROWS}, ${TYPES.map(() => 'NULL').join(', ')})`
}

let source: ReaderFixture
let lane: LaneDefinition
beforeEach(async () => {
  source = await openReaderFixture('reader types', TYPES_DDL)
  lane = shopLane(source.lane.name, { tables: [typed], outbox: null })
  await source.source.query(`ALTER TYPE mood ADD VALUE 'über so' BEFORE 'sad'`)
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
  await writer.query(insertRows(0))
  const reader = source.start({ lane })
  await reader.next('connected')
  await writer.query(insertRows(1000))
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
  expect(events).toHaveLength(2 * (ROWS + 1) + 1)
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
