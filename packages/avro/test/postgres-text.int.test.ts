import { afterAll, beforeAll, expect, test } from 'vitest'
import { AvroReader } from '../src/avro-reader.ts'
import { AvroWriter } from '../src/avro-writer.ts'
import { columnReader } from '../src/column-reader.ts'
import { columnWriter } from '../src/column-writer.ts'
import { typesOfForm } from '../src/event-schema.ts'
import { createTestDatabase } from '@sluice/infra'
import { connect, postgresTarget } from '@sluice/postgres'
import type { AvroForm } from '@sluice/system'
import type { Client } from 'pg'

let client: Client
let drop: () => Promise<void>

beforeAll(async () => {
  const database = await createTestDatabase(process.env['SLUICE_TEST_PIPELINE_URL'] ?? '', 'avro')
  client = await connect(postgresTarget('pipeline', database.url), { applicationName: 'avro test' })
  drop = () => database.drop()
})

afterAll(async () => {
  await client.end()
  await drop()
})

const TYPED_BRANCH = 2

/** 5,000 texts that PostgreSQL printed, there and back; and how many took the typed form. */
const columns: readonly [string, AvroForm, string][] = [
  ['double precision', { form: 'double' }, '(random() - 0.5) * 10 ^ (random() * 600 - 300)::int'],
  ['double precision', { form: 'double' }, '(random() * 1000000)::int / 100.0'],
  ['real', { form: 'float' }, '((random() - 0.5) * 10 ^ (random() * 60 - 30)::int)::real'],
  ['real', { form: 'float' }, '((random() * 100000)::int / 100.0)::real'],
  [
    'numeric(20,4)',
    { form: 'decimal', precision: 20, scale: 4 },
    '((random() - 0.5) * 10 ^ (random() * 16)::int)::numeric(20,4)',
  ],
  ['timestamptz', { form: 'timestamp-micros' }, "timestamptz '1980-01-01' + random() * 30000 * interval '1 day'"],
  ['timestamp', { form: 'local-timestamp-micros' }, "timestamp '1900-01-01' + random() * 50000 * interval '1 day'"],
  ['date', { form: 'date' }, "date '0100-01-01' + (random() * 1000000)::int"],
  ['time', { form: 'time-micros' }, "time '00:00' + random() * interval '24 hours'"],
  ['bytea', { form: 'bytes' }, "decode(md5(random()::text), 'hex')"],
]

test.each(columns)('%s as PostgreSQL prints it comes back, and nearly always typed', async (type, form, expression) => {
  const { rows } = await client.query<{ value: string }>(
    `SELECT (${expression})::${type}::text AS value FROM generate_series(1, 5000)`,
  )
  const write = columnWriter(form)
  const read = columnReader(['null', ...typesOfForm(form), { type: 'record', name: 'Unavailable', fields: [] }])
  const writer = new AvroWriter()
  let typed = 0
  for (const { value } of rows) {
    write(writer, value)
    const bytes = writer.take()
    expect(read(new AvroReader(bytes))).toBe(value)
    if (bytes[0] === TYPED_BRANCH) typed++
  }
  expect(typed / rows.length).toBeGreaterThan(0.99)
})
