/** SQL that makes, and SQL that drops, one item of a structure. */
import type { ItemKind, StructureItem } from './structure.ts'

type Facets = StructureItem['facets']

/** What makes an item; of a table with the columns that are given. */
export function createStatement(item: StructureItem, columns: readonly StructureItem[] = []): string {
  const { facets, identifier, table } = item
  switch (item.kind) {
    case 'extension':
      return `CREATE EXTENSION ${identifier} WITH SCHEMA ${facets['schema'] ?? 'public'}`
    case 'schema':
      return `CREATE SCHEMA ${identifier}`
    case 'type':
      return createType(identifier, facets)
    case 'sequence':
      return `CREATE SEQUENCE ${identifier} ${sequenceOptions(facets)}`
    case 'table':
      return createTable(identifier, facets, columns)
    case 'column':
      return `ALTER TABLE ${table ?? ''} ADD COLUMN ${columnDefinition(item)}`
    case 'function':
      return (facets['definition'] ?? '').trimEnd()
    case 'constraint':
      return `ALTER TABLE ${table ?? ''} ADD CONSTRAINT ${identifier} ${facets['definition'] ?? ''}`
    case 'index':
      // PostgreSQL tells the index of a partitioned table as if it were on that alone, which would leave it without its partitions.
      return (facets['definition'] ?? '').replace(' ON ONLY ', ' ON ')
    case 'view':
      return createView(identifier, facets)
    case 'trigger':
      return facets['definition'] ?? ''
    case 'policy':
      return createPolicy(identifier, table ?? '', facets)
  }
}

const DROPPED_AS: Readonly<
  Record<Exclude<ItemKind, 'column' | 'constraint' | 'trigger' | 'policy' | 'function' | 'view'>, string>
> = {
  extension: 'EXTENSION',
  schema: 'SCHEMA',
  type: 'TYPE',
  sequence: 'SEQUENCE',
  table: 'TABLE',
  index: 'INDEX',
}

export function dropStatement({ kind, identifier, table, facets }: StructureItem): string {
  switch (kind) {
    case 'column':
      return `ALTER TABLE ${table ?? ''} DROP COLUMN ${identifier}`
    case 'constraint':
      return `ALTER TABLE ${table ?? ''} DROP CONSTRAINT ${identifier}`
    case 'trigger':
    case 'policy':
      return `DROP ${kind.toUpperCase()} ${identifier} ON ${table ?? ''}`
    case 'function':
    case 'view':
      return `DROP ${(facets['kind'] ?? kind).toUpperCase()} ${identifier}`
    case 'type':
      return `DROP ${facets['kind'] === 'domain' ? 'DOMAIN' : 'TYPE'} ${identifier}`
    case 'sequence':
      // That of a serial column goes with the column.
      return `DROP SEQUENCE ${facets['owned by'] === undefined ? '' : 'IF EXISTS '}${identifier}`
    default:
      return `DROP ${DROPPED_AS[kind]} ${identifier}`
  }
}

/** Type, default and the rest, as after the name of a column. */
export function columnDefinition({ identifier, facets }: StructureItem): string {
  const { type = '', collation, generated, identity } = facets
  return [
    `${identifier} ${type}`,
    ...(collation === undefined ? [] : [`COLLATE ${collation}`]),
    ...(generated === undefined ? [] : [`GENERATED ALWAYS AS ${generated}`]),
    ...(identity === undefined ? [] : [`GENERATED ${identity} AS IDENTITY`]),
    ...(facets['default'] === undefined ? [] : [`DEFAULT ${facets['default']}`]),
    ...(facets['null'] === 'no' ? ['NOT NULL'] : []),
  ].join(' ')
}

export function sequenceOptions(facets: Facets): string {
  return [
    `AS ${facets['type'] ?? 'bigint'}`,
    `INCREMENT ${facets['increment'] ?? '1'}`,
    `MINVALUE ${facets['min'] ?? '1'}`,
    `MAXVALUE ${facets['max'] ?? '1'}`,
    `START ${facets['start'] ?? '1'}`,
    `CACHE ${facets['cache'] ?? '1'}`,
    facets['cycle'] === 'yes' ? 'CYCLE' : 'NO CYCLE',
  ].join(' ')
}

function createType(identifier: string, facets: Facets): string {
  switch (facets['kind']) {
    case 'enum':
      return `CREATE TYPE ${identifier} AS ENUM (${facets['labels'] ?? ''})`
    case 'domain': {
      const rest = [
        ...(facets['default'] === undefined ? [] : [`DEFAULT ${facets['default']}`]),
        ...(facets['null'] === 'no' ? ['NOT NULL'] : []),
        ...(facets['checks'] === undefined ? [] : [facets['checks']]),
      ]
      return [`CREATE DOMAIN ${identifier} AS ${facets['base'] ?? ''}`, ...rest].join(' ')
    }
    case 'range':
      return `CREATE TYPE ${identifier} AS RANGE (SUBTYPE = ${facets['subtype'] ?? ''})`
    default:
      return `CREATE TYPE ${identifier} AS (${facets['attributes'] ?? ''})`
  }
}

function createTable(identifier: string, facets: Facets, columns: readonly StructureItem[]): string {
  const partition = facets['partitioned by'] === undefined ? '' : ` PARTITION BY ${facets['partitioned by']}`
  const create = `CREATE ${facets['kept'] === 'unlogged' ? 'UNLOGGED ' : ''}TABLE ${identifier}`
  if (facets['partition of'] !== undefined)
    return `${create} PARTITION OF ${facets['partition of']} ${facets['bounds'] ?? ''}${partition}`
  return `${create} (\n${columns.map((column) => `  ${columnDefinition(column)}`).join(',\n')}\n)${partition}`
}

function createView(identifier: string, facets: Facets): string {
  const options = facets['options'] === undefined ? '' : ` WITH (${facets['options']})`
  const definition = (facets['definition'] ?? '').trim().replace(/;$/, '')
  return `CREATE ${(facets['kind'] ?? 'view').toUpperCase()} ${identifier}${options} AS\n${definition}`
}

function createPolicy(identifier: string, table: string, facets: Facets): string {
  return [
    `CREATE POLICY ${identifier} ON ${table} AS ${facets['kind'] ?? ''} FOR ${facets['command'] ?? ''} TO ${facets['roles'] ?? ''}`,
    ...(facets['using'] === undefined ? [] : [`USING (${facets['using']})`]),
    ...(facets['with check'] === undefined ? [] : [`WITH CHECK (${facets['with check']})`]),
  ].join(' ')
}
