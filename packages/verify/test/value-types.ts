/** A column of every type that a test plants differences in: its values, and one that is nearly the first of them. */
export interface ValueType {
  readonly column: string
  readonly type: string
  /** SQL literals that are stored, one a row in turn. */
  readonly values: readonly string[]
  /** What the last byte's change turns the first value into. */
  readonly changed: string
}

const longText = `repeat('Zürich 東京 😀 ', 600)`

export const VALUE_TYPES: readonly ValueType[] = [
  {
    column: 'a_uuid',
    type: 'uuid',
    values: [`'6f1f3e0a-6c0f-4d0b-9c53-1d2a4f0b7c11'`],
    changed: `'6f1f3e0a-6c0f-4d0b-9c53-1d2a4f0b7c10'`,
  },
  { column: 'a_text', type: 'text', values: [`'naïve'`, `''`, longText, `'a,"b"\\c(d)'`], changed: `'naive'` },
  { column: 'a_long', type: 'text', values: [longText], changed: `${longText} || 'x'` },
  { column: 'a_varchar', type: 'varchar(20)', values: [`'abc'`, `'ab '`], changed: `'abc '` },
  { column: 'a_char', type: 'char(5)', values: [`'ab'`], changed: `'ac'` },
  {
    column: 'a_numeric',
    type: 'numeric',
    values: [`1.10`, `'NaN'`, `'Infinity'`, `123456789012345678901234567890.5`],
    changed: `1.100`,
  },
  { column: 'a_money', type: 'numeric(14,2)', values: [`1.10`, `-0.01`, `'NaN'`], changed: `1.11` },
  { column: 'a_smallint', type: 'smallint', values: [`-32768`, `7`], changed: `-32767` },
  { column: 'an_int', type: 'integer', values: [`2147483647`, `0`], changed: `2147483646` },
  { column: 'a_bigint', type: 'bigint', values: [`9007199254740993`, `-1`], changed: `9007199254740992` },
  { column: 'a_bool', type: 'boolean', values: [`true`, `false`], changed: `false` },
  { column: 'a_date', type: 'date', values: [`'2024-02-29'`, `'infinity'`, `'0044-03-15 BC'`], changed: `'2024-02-28'` },
  { column: 'a_time', type: 'time', values: [`'23:59:59.999999'`, `'24:00'`], changed: `'23:59:59.999998'` },
  {
    column: 'a_timestamp',
    type: 'timestamp',
    values: [`'2024-01-01 00:00:00.000001'`, `'-infinity'`],
    changed: `'2024-01-01 00:00:00.000002'`,
  },
  {
    column: 'a_timestamptz',
    type: 'timestamptz',
    values: [`'2024-01-01 00:00:00.000001+02'`, `'infinity'`],
    changed: `'2024-01-01 00:00:00.000001+01'`,
  },
  { column: 'an_interval', type: 'interval', values: [`'1 mon'`, `'-1 day 00:00:01'`], changed: `'30 days'` },
  { column: 'a_real', type: 'real', values: [`0.1`, `'NaN'`, `'-0'`], changed: `0.10000001` },
  { column: 'a_double', type: 'double precision', values: [`0.1`, `'-Infinity'`, `1e-300`], changed: `0.10000000000000002` },
  { column: 'a_json', type: 'json', values: [`'{"a": 1}'`], changed: `'{"a":1}'` },
  {
    column: 'a_jsonb',
    type: 'jsonb',
    values: [`'{"a":[1,{"b":null}],"c":1.0}'`, `'null'`],
    changed: `'{"a":[1,{"b":null}],"c":1.00}'`,
  },
  { column: 'an_array', type: 'text[]', values: [`ARRAY['a',NULL,'','"x"']`, `'{}'`], changed: `ARRAY['a','NULL','','"x"']` },
  { column: 'an_int_array', type: 'integer[][]', values: [`'{{1,2},{3,4}}'`, `'[0:1]={7,8}'`], changed: `'{{1,2},{3,5}}'` },
  { column: 'a_bytea', type: 'bytea', values: [`'\\x00ff'`, `''`], changed: `'\\x00fe'` },
  { column: 'an_enum', type: 'public.mood', values: [`'happy'`, `'so so'`], changed: `'so so'` },
  { column: 'an_enum_array', type: 'public.mood[]', values: [`'{happy}'`], changed: `'{happy,happy}'` },
  { column: 'an_inet', type: 'inet', values: [`'10.0.0.1/24'`, `'::1'`], changed: `'10.0.0.1/25'` },
  { column: 'a_range', type: 'int4range', values: [`'[1,5)'`, `'empty'`, `'(,)'`], changed: `'[1,6)'` },
  { column: 'a_tstzrange', type: 'tstzrange', values: [`'[2024-01-01,2024-02-01)'`], changed: `'[2024-01-01,2024-02-01]'` },
  { column: 'a_bit', type: 'bit varying(8)', values: [`B'101'`], changed: `B'100'` },
  { column: 'a_domain', type: 'public.short_text', values: [`'abc'`], changed: `'abd'` },
  { column: 'a_composite', type: 'public.pair', values: [`ROW(1,'a')`, `ROW(NULL,'')`], changed: `ROW(1,'b')` },
]

/** Types of the test's own, made in the monolith. */
export const SOURCE_TYPES = `
  CREATE TYPE public.mood AS ENUM ('happy', 'so so');
  CREATE DOMAIN public.short_text AS varchar(10);
  CREATE TYPE public.pair AS (x integer, y text);`
