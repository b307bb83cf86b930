import type { SinkTable } from '@sluice/system'

/** How a table is called in reports and messages: `clickhouse.opportunity_events` */
export function sinkTableName({ store, name }: Pick<SinkTable, 'store' | 'name'>): string {
  return `${store}.${name}`
}
