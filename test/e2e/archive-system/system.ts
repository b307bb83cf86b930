/** Papers with texts, scans and documents of any size, and a service that copies them. */
import { bigint, bytea, defineSystem, integer, jsonb, mapTable, table, text, topic } from '@sluice/system'

const papers = table('papers', {
  aggregate: 'Paper',
  key: ['id'],
  topic: topic('archive.papers', { partitions: 2 }),
  columns: {
    id: bigint(),
    title: text(),
    body: text().nullable(),
    scan: bytea().nullable(),
    facts: jsonb().nullable(),
    pages: integer(),
  },
})

export default defineSystem({
  name: 'archive',
  title: 'Archive',
  avroSchemas: new URL('./avro/', import.meta.url),
  monolith: { migrations: new URL('./monolith/', import.meta.url), tables: [papers] },
  services: { copy: { migrations: new URL('./copy/', import.meta.url), projections: [mapTable(papers, { into: 'papers' })] } },
})
