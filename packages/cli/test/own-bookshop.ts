/** The bookshop by a name, and with topics and subjects, of the run's own: those of a cluster are everybody's. */
import { type CapturedTable, defineSystem } from '@sluice/system'
import bookshop from '../../../schemas/bookshop/system.ts'

const name = process.env['SLUICE_TEST_NAME'] ?? 'bookshop'
const own = new Map<CapturedTable, CapturedTable>(
  bookshop.monolith.tables.map((table) => [table, { ...table, topic: { ...table.topic, name: `${name}.${table.name}` } }]),
)

export default defineSystem({
  ...bookshop,
  name,
  monolith: { ...bookshop.monolith, tables: [...own.values()] },
  services: Object.fromEntries(
    Object.entries(bookshop.services).map(([service, definition]) => [
      service,
      {
        ...definition,
        projections: definition.projections.map((mapping) => ({ ...mapping, source: own.get(mapping.source)! })),
      },
    ]),
  ),
})
