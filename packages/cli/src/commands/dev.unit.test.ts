import { expect, test } from 'vitest'
import { databaseName } from './dev.ts'

test('a development database has the name that the definition gives it, else one of the system', () => {
  const service = { migrations: new URL('file:///none/'), projections: [] }
  const system = { name: 'shop', services: { sales: { ...service, database: 'sales_db' }, stock: service } }
  expect(['monolith', 'pipeline', 'sales', 'stock'].map((target) => databaseName(system, target))).toEqual([
    'shop_monolith',
    'shop_pipeline',
    'sales_db',
    'shop_stock',
  ])
})
