/** The smallest system that is worth measuring: one table, one service, one plain mapping. */
import { bigint, boolean, defineSystem, integer, jsonb, mapTable, numeric, table, text, timestamptz, topic } from '@sluice/system'

const rows = table('rows', {
  columns: {
    id: bigint(),
    counter: integer(),
    a: text(),
    b: text(),
    c: text(),
    d: text(),
    e: text().nullable(),
    amount: numeric(12, 2),
    changed_at: timestamptz(),
    detail: jsonb(),
    is_open: boolean(),
  },
  key: ['id'],
  aggregate: 'Row',
  topic: topic('bench.rows'),
})

export default defineSystem({
  name: 'bench',
  title: 'Benchmark',
  avroSchemas: new URL('./avro/', import.meta.url),
  monolith: { migrations: new URL('./monolith/', import.meta.url), tables: [rows] },
  services: {
    copy: { migrations: new URL('./services/copy/', import.meta.url), projections: [mapTable(rows, { into: 'rows' })] },
  },
})
