/** Every built-in type that a captured column may have, some of extensions, some of one's own, and their edge values. */

/** The types of the matrix that a database does not have by itself. */
export const VALUE_TYPES_DDL = `
  CREATE EXTENSION hstore SCHEMA public;
  CREATE EXTENSION citext SCHEMA public;
  CREATE TYPE mood AS ENUM ('happy', 'sad');
  CREATE DOMAIN short_text AS varchar(10);
  CREATE DOMAIN positive AS numeric(9,3) CHECK (VALUE > 0);
  CREATE DOMAIN marks AS integer[] CHECK (cardinality(VALUE) < 5);
  CREATE DOMAIN few_marks AS marks;
  CREATE TYPE pair AS (x integer, y text);
  CREATE DOMAIN counted_pair AS pair CHECK ((VALUE).x > 0);
  CREATE TYPE span AS RANGE (subtype = double precision);
  CREATE FUNCTION twice(integer) RETURNS integer LANGUAGE sql AS 'SELECT 2 * $1';
  CREATE OPERATOR !!! (RIGHTARG = integer, FUNCTION = twice);
  CREATE TYPE nested AS (p pair, at timestamptz, n numeric[]);`

/** After the tables are made, in the monolith first: a label that comes into an enum between two others. */
export const LATER_LABEL_DDL = `ALTER TYPE mood ADD VALUE 'über so' BEFORE 'sad'`

/** Column type as PostgreSQL writes it, and SQL literals, one a row in turn. */
export const VALUES: Readonly<Record<string, readonly string[]>> = {
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
  interval: [
    `'1 year 2 mons -3 days 04:05:06.789'`,
    `'-1 day 00:00:01'`,
    `'0'`,
    `'178000000 years'`,
    `'-00:00:00.000001'`,
    // PostgreSQL 17 is the first that has it.
    `CASE WHEN current_setting('server_version_num')::integer < 170000 THEN '0' ELSE 'infinity' END`,
    `CASE WHEN current_setting('server_version_num')::integer < 170000 THEN '0' ELSE '-infinity' END`,
  ],
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
  'bytea[]': [`ARRAY['\\x00ff5c27', '', NULL]::bytea[]`, `ARRAY[[decode(repeat('22', 9000), 'hex')]]`],
  'jsonb[]': [`ARRAY['{"a \\"b": [1, null]}', 'null', NULL, '"\\\\"']::jsonb[]`],
  'boolean[]': [`'{t,f,NULL}'`],
  'int4range[]': [`'{"[1,5)",empty,NULL,"(,)"}'`],
  'tstzmultirange[]': [`ARRAY['{["2024-01-01 00:00+02",2025-01-01)}', '{}']::tstzmultirange[]`],
  int4range: [`'[1,5)'`, `'empty'`, `'(,)'`, `'(3,)'`],
  int8range: [`'[-9223372036854775808,9223372036854775806]'`, `'empty'`, `'(,0]'`],
  numrange: [`'[1.10,2.2]'`, `'(-Infinity,NaN]'`, `'empty'`],
  daterange: [`'[2024-01-01,infinity]'`, `'(0044-03-15 BC,)'`],
  tsrange: [`'["0044-03-15 12:00:00.5 BC",infinity]'`, `'(,"2024-01-01 00:00:00.000001")'`, `'empty'`],
  tstzrange: [`'["2024-01-01 00:00+02",)'`],
  int4multirange: [`'{}'`, `'{[1,3),[5,7)}'`],
  int8multirange: [`'{(,-5],[9007199254740993,9007199254740995)}'`, `'{}'`],
  nummultirange: [`'{[1.10,2.2),(3,NaN]}'`, `'{(,)}'`],
  datemultirange: [`'{[0044-03-15 BC,2024-02-29],[2025-01-01,infinity]}'`, `'{}'`],
  tsmultirange: [`'{["2024-01-01 00:00:00.000001",infinity)}'`, `'{}'`],
  tstzmultirange: [`'{[2024-01-01,2024-02-01),[2025-01-01,]}'`],
  'public.mood': [`'happy'`, `'über so'`],
  'public.mood[]': [`'{happy,"über so"}'`],
  'public.short_text': [`'abc'`],
  'public.positive': ['1.50'],
  'public.positive[]': [`'{1.50,NULL,0.001}'`],
  'public.marks': [`'{1,NULL}'`, `'[0:1]={7,8}'`, `'{}'`],
  'public.few_marks': [`'{{1,2},{3,4}}'`],
  'public.pair': [`ROW(1, 'a "b", (c)')`, `ROW(NULL, '')`, `ROW(2, NULL)`],
  'public.pair[]': [`ARRAY[ROW(1, 'a'), NULL, ROW(NULL, '"')]::public.pair[]`],
  'public.counted_pair': [`ROW(3, '(,"\\)')`],
  'public.span': [`'[0.1,Infinity)'`, `'(,-0]'`, `'empty'`],
  'public.span_multirange': [`'{[0.1,0.30000000000000004],(5e300,)}'`, `'{}'`],
  'public.span[]': [`'{"[0.1,0.2)",NULL}'`],
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
  txid_snapshot: [`'10:20:10,14,15'`],
  xid: [`'4294967295'`, `'3'`],
  xid8: [`'18446744073709551615'`],
  cid: [`'4294967295'`],
  tid: [`'(4294967295,65535)'`, `'(0,1)'`],
  int2vector: [`'-32768 0 32767'`, `''`],
  oidvector: [`'4294967295 1'`, `''`],
  refcursor: [`'a "cursor"'`],
  aclitem: [`(current_role::text || '=arw*/' || current_role::text)::aclitem`],
  regclass: [`'public.typed'`, `'pg_catalog.pg_class'`],
  regcollation: [`'"C"'`],
  regconfig: [`'simple'`, `'pg_catalog.german'`],
  regdictionary: [`'simple'`],
  regnamespace: [`'public'`],
  regoper: [`'public.!!!'`, `'pg_catalog.||/'`, '0'],
  regoperator: [`'public.!!!(NONE,integer)'`, `'*(integer,integer)'`],
  regproc: [`'public.twice'`, `'pg_catalog.now'`, `'-'`],
  regprocedure: [`'public.twice(integer)'`, `'pg_catalog.abs(numeric)'`],
  regrole: [`current_role::text::regrole`],
  regtype: [`'public.mood'`, `'timestamp with time zone'`],
}

export const TYPES = Object.keys(VALUES)

/** Rows that show every value: the type with most of them says how many. */
export const VALUE_ROWS = Math.max(...Object.values(VALUES).map((values) => values.length))

/** Name of the n-th type's column in the tables that tests make. */
export function columnOf(index: number): string {
  return `c${index}`
}

/** Columns of a table with every type, for its CREATE TABLE. */
export const VALUE_COLUMNS = TYPES.map((type, i) => `${columnOf(i)} ${type}`).join(', ')

/** One statement that inserts every value into the table `typed`, and a row that is all NULL after them. */
export function insertEveryValue(firstId: number): string {
  const rows = Array.from({ length: VALUE_ROWS }, (_, row) => {
    const literals = Object.entries(VALUES).map(([type, values]) => `(${values[row % values.length]!})::${type}`)
    return `(${firstId + row}, ${literals.join(', ')})`
  })
  const nulls = `(${firstId + VALUE_ROWS}, ${TYPES.map(() => 'NULL').join(', ')})`
  return `INSERT INTO typed (id, ${TYPES.map((_, i) => columnOf(i)).join(', ')}) VALUES ${[...rows, nulls].join(', ')}`
}
