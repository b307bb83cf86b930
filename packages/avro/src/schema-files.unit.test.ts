import { expect, test } from 'vitest'
import avsc from 'avsc'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { deriveSchemas } from './event-schema.ts'
import { checkSchemaFiles, writeSchemaFiles } from './schema-files.ts'
import { type SystemDefinition, bigint, table, text, topic } from '@sluice/system'

function system(avroSchemas: URL): SystemDefinition {
  const tables = [
    table('orders', {
      aggregate: 'Order',
      key: ['id'],
      topic: topic('shop.orders'),
      columns: { id: bigint(), 'a note': text() },
    }),
    table('lines', { aggregate: 'Line', key: ['id'], topic: topic('shop.orders'), columns: { id: bigint() } }),
  ]
  return { name: 'shop', avroSchemas, monolith: { tables, outbox: { topic: topic('shop.events') } }, services: {} }
}

test('schema files are written, found equal, and a change, a lack and a leftover are told', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-avro-'))
  const shop = system(pathToFileURL(`${folder}/avro/`))
  expect(await checkSchemaFiles(shop)).toEqual(['shop.orders.avsc is missing', 'shop.events.avsc is missing'])
  const files = await writeSchemaFiles(shop)
  expect(files.length).toBe(2)
  expect(await checkSchemaFiles(shop)).toEqual([])
  await writeFile(join(folder, 'avro', 'shop.orders.avsc'), '{}')
  await writeFile(join(folder, 'avro', 'old.avsc'), '{}')
  expect(await checkSchemaFiles(shop)).toEqual(['shop.orders.avsc differs', 'old.avsc belongs to no topic'])
  await rm(folder, { recursive: true })
})

test('every derived schema is valid Avro, and a column with an illegal name keeps its own', () => {
  for (const { schema } of deriveSchemas(system(new URL('file:///none/')))) {
    expect(() => avsc.Type.forSchema(structuredClone(schema) as unknown as avsc.Schema, { wrapUnions: true })).not.toThrow()
  }
  const text = JSON.stringify(deriveSchemas(system(new URL('file:///none/')))[0]?.schema)
  expect(text).toContain('"name":"a_u20_note"')
  expect(text).toContain('"column":"a note"')
})
