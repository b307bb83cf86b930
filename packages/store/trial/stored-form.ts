/**
 * The trial behind docs/decisions/0003: what a value costs as json text, jsonb, bytea with a compact array, and bytea with
 * Avro's binary encoding, to write (encode and COPY) and to read back (COPY and decode to a row of texts).
 *
 *   SLUICE_TEST_PIPELINE_URL=postgresql://… node packages/store/trial/stored-form.ts [rows]
 *
 * Variants take turns in every round, so that what else the machine does meets all of them. Avro is written by hand for the
 * one shape that the rows have (a union of null and string a column): no library is faster than that.
 */
import { createTestDatabase } from '@sluice/infra'
import { BinaryCopyEncoder, COPY_BINARY_HEADER, COPY_BINARY_TRAILER, connect, postgresTarget } from '@sluice/postgres'
import { formatEventData, parseEventData } from '@sluice/core'
import type { Client } from 'pg'
import { copyIn } from '../src/copy-in.ts'
import { copyOut } from '../src/copy-out.ts'

type Row = Readonly<Record<string, string | null>>

interface Variant {
  readonly name: string
  readonly type: 'json' | 'jsonb' | 'bytea'
  readonly encode: (encoder: BinaryCopyEncoder, row: Row) => void
  /** Reads the value between two places of a buffer. */
  readonly decode: (buffer: Buffer, start: number, end: number) => Row
}

const COLUMNS = [
  'id', 'notice_id', 'title', 'description', 'agency', 'office', 'naics_code', 'set_aside', 'status', 'posted_at', 'due_at',
  'estimated_value', 'currency', 'place_of_performance', 'tags', 'attributes', 'contact_email', 'contact_phone', 'updated_at', 'archived_at',
] as const // prettier-ignore

const ROUNDS = 5

const VARIANTS: readonly Variant[] = [
  {
    name: 'json text',
    type: 'json',
    encode: (encoder, row) => encoder.writeText(formatEventData({ op: 'c', after: row })),
    decode: (buffer, start, end) => rowOf(parseEventData(buffer.toString('utf8', start, end))),
  },
  {
    name: 'jsonb',
    type: 'jsonb',
    encode: (encoder, row) => encoder.writeBytes(Buffer.from(`\x01${formatEventData({ op: 'c', after: row })}`)),
    decode: (buffer, start, end) => rowOf(parseEventData(buffer.toString('utf8', start + 1, end))),
  },
  {
    name: 'bytea, JSON array',
    type: 'bytea',
    encode: (encoder, row) => encoder.writeText(JSON.stringify(COLUMNS.map((c) => row[c]))),
    decode: (buffer, start, end) => {
      const values = JSON.parse(buffer.toString('utf8', start, end)) as (string | null)[]
      return Object.fromEntries(COLUMNS.map((c, i) => [c, values[i] ?? null]))
    },
  },
  { name: 'bytea, Avro', type: 'bytea', encode: encodeAvro, decode: decodeAvro },
]

function rowOf(data: ReturnType<typeof parseEventData>): Row {
  return 'after' in data ? data.after : {}
}

const avroBuffer = Buffer.allocUnsafe(64 * 1024)

/** Per column: 00 for null, or 02, the length as a zig-zag varint, and the text. */
function encodeAvro(encoder: BinaryCopyEncoder, row: Row): void {
  let at = 0
  for (const column of COLUMNS) {
    const value = row[column]
    if (value == null) {
      avroBuffer[at++] = 0
      continue
    }
    avroBuffer[at++] = 2
    let length = Buffer.byteLength(value) * 2
    for (; length > 127; length >>>= 7) avroBuffer[at++] = (length & 127) | 128
    avroBuffer[at++] = length
    at += avroBuffer.write(value, at)
  }
  encoder.writeBytes(avroBuffer.subarray(0, at))
}

function decodeAvro(buffer: Buffer, start: number): Row {
  const row: Record<string, string | null> = {}
  let at = start
  for (const column of COLUMNS) {
    if (buffer[at++] === 0) {
      row[column] = null
      continue
    }
    let length = 0
    for (let shift = 0; ; shift += 7) {
      const byte = buffer[at++]!
      length |= (byte & 127) << shift
      if (byte < 128) break
    }
    length >>>= 1
    row[column] = buffer.toString('utf8', at, at + length)
    at += length
  }
  return row
}

/** About 600 bytes in 20 columns; the same for the same number. */
function sampleRow(n: number): Row {
  const id = `00000000-0000-4000-8000-${n.toString(16).padStart(12, '0')}`
  return {
    id,
    notice_id: `W91-${n}`,
    title: `Road and bridge maintenance, district ${n % 97}, Zürich`,
    description: 'Inspection, repair and reporting under an indefinite delivery contract. '.repeat(2 + (n % 2)),
    agency: 'Department of Transportation',
    office: `Office ${n % 31}`,
    naics_code: '237310',
    set_aside: n % 3 === 0 ? null : 'small business',
    status: ['open', 'draft', 'awarded'][n % 3]!,
    posted_at: '2026-05-03 10:11:12.123456+00',
    due_at: '2026-08-01 00:00:00+00',
    estimated_value: `${n % 1_000_000}.50`,
    currency: 'USD',
    place_of_performance: n % 5 === 0 ? null : 'Springfield, IL',
    tags: '{roads,bridges,"winter service"}',
    attributes: '{"rating": 4.5, "lots": [1, 2, 3], "note": "\\"quoted\\""}',
    contact_email: 'office@example.org',
    contact_phone: null,
    updated_at: '2026-05-04 08:00:00.5+00',
    archived_at: null,
  }
}

interface Measured {
  readonly writeMs: number
  readonly writeCpuMs: number
  readonly readMs: number
  readonly readCpuMs: number
  readonly bytes: number
}

async function measure(client: Client, variant: Variant, rows: readonly Row[]): Promise<Measured> {
  await client.query(
    `DROP TABLE IF EXISTS trial; CREATE TABLE trial (position bigint PRIMARY KEY, event_data ${variant.type} NOT NULL)`,
  )
  await client.query('CHECKPOINT')
  const write = await timed(() => copyIn(client, 'COPY trial FROM STDIN (FORMAT binary)', encodeRows(variant, rows)))
  let count = 0
  const read = await timed(() =>
    copyOut(client, 'SELECT event_data FROM trial ORDER BY position', ({ buffer, bounds }) => {
      for (let i = 0; i + 1 < bounds.length; i += 1) {
        const row = variant.decode(buffer, bounds[i]! + 6, bounds[i + 1]!)
        if (row['id'] !== rows[count]!['id'] || row['title'] !== rows[count]!['title'])
          throw new Error(`${variant.name}: another row came back`)
        count += 1
      }
    }),
  )
  if (count !== rows.length) throw new Error(`${variant.name}: ${count} rows came back`)
  const size = await client.query<{ bytes: string }>(`SELECT pg_total_relation_size('trial')::text AS bytes`)
  return {
    writeMs: write.ms,
    writeCpuMs: write.cpuMs,
    readMs: read.ms,
    readCpuMs: read.cpuMs,
    bytes: Number(size.rows[0]!.bytes),
  }
}

function* encodeRows(variant: Variant, rows: readonly Row[]): Generator<Buffer, void> {
  const encoder = new BinaryCopyEncoder(512 * 1024)
  yield COPY_BINARY_HEADER
  for (const [i, row] of rows.entries()) {
    encoder.startTuple(2)
    encoder.writeInt8(BigInt(i))
    variant.encode(encoder, row)
    if (encoder.bytes > 128_000) yield encoder.take()
  }
  yield encoder.take()
  yield COPY_BINARY_TRAILER
}

async function timed(work: () => Promise<void>): Promise<{ ms: number; cpuMs: number }> {
  const [begun, cpu] = [performance.now(), process.cpuUsage()]
  await work()
  const { user, system } = process.cpuUsage(cpu)
  return { ms: performance.now() - begun, cpuMs: (user + system) / 1000 }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1]!
}

function print(rows: number, results: ReadonlyMap<string, readonly Measured[]>): void {
  const of = (name: string, field: keyof Measured): number => median(results.get(name)!.map((m) => m[field]))
  const [base] = VARIANTS
  const lines = VARIANTS.map(({ name }) => {
    const ratio = (field: keyof Measured): string => (of(name, field) / of(base!.name, field)).toFixed(2)
    const micros = (field: keyof Measured): string => ((of(name, field) / rows) * 1000).toFixed(1)
    const cells = (['writeMs', 'readMs'] as const).flatMap((f) => [
      ratio(f),
      micros(f),
      micros(f === 'writeMs' ? 'writeCpuMs' : 'readCpuMs'),
    ])
    return `| ${[name, ...cells, ratio('bytes')].join(' | ')} |`
  })
  process.stdout.write(
    `${rows.toLocaleString('en')} rows of ${COLUMNS.length} columns, median of ${ROUNDS} rounds in turns; ratios against json text\n` +
      '| form | write time | µs a row | Node CPU µs | read time | µs a row | Node CPU µs | size |\n' +
      '| --- | --- | --- | --- | --- | --- | --- | --- |\n' +
      `${lines.join('\n')}\n`,
  )
}

async function main(): Promise<void> {
  const serverUrl = process.env['SLUICE_TEST_PIPELINE_URL']
  if (serverUrl === undefined) throw new Error('set SLUICE_TEST_PIPELINE_URL to a PostgreSQL server for tests')
  const count = Number(process.argv[2] ?? 200_000)
  const rows = Array.from({ length: count }, (_, n) => sampleRow(n))
  const database = await createTestDatabase(serverUrl, 'store trial')
  const client = await connect(postgresTarget('pipeline', database.url), { applicationName: 'sluice trial' })
  const results = new Map<string, Measured[]>(VARIANTS.map((v) => [v.name, []]))
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const variant of VARIANTS) results.get(variant.name)!.push(await measure(client, variant, rows))
    }
    print(count, results)
  } finally {
    await client.end()
    await database.drop()
  }
}

await main()
