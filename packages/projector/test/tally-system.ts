/** Two tables of counters that do not refer to each other, and one independent service over them. */
import { type CapturedTable, type SystemDefinition, bigint, defineSystem, mapTable, table, topic } from '@sluice/system'

export const TALLY_SERVICE = 'tally'

export interface TallySystem {
  readonly system: SystemDefinition
  readonly accounts: CapturedTable
  readonly visits: CapturedTable
}

/** @param name Gives it topics of its own. */
export function defineTally(name: string): TallySystem {
  const accounts = table('accounts', {
    aggregate: 'Account',
    key: ['id'],
    topic: topic(`${name}.accounts`, { partitions: 4 }),
    columns: { id: bigint(), turn: bigint() },
  })
  const visits = table('visits', {
    aggregate: 'Visit',
    key: ['id'],
    topic: topic(`${name}.visits`, { partitions: 2 }),
    columns: { id: bigint(), turn: bigint() },
  })
  const system = defineSystem({
    name,
    avroSchemas: new URL('./tally/avro/', import.meta.url),
    monolith: { tables: [accounts, visits] },
    services: {
      [TALLY_SERVICE]: {
        migrations: new URL('./tally/', import.meta.url),
        independent: true,
        projections: [mapTable(accounts, { into: 'accounts' }), mapTable(visits, { into: 'visits' })],
      },
    },
  })
  return { system, accounts, visits }
}
