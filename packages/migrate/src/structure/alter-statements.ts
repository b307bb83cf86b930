/** SQL that turns an item into another one of its name, where there is such SQL; what is left is told, to be written by hand. */
import { columnDefinition, createStatement, dropStatement, sequenceOptions } from './create-statements.ts'
import type { Structure, StructureItem } from './structure.ts'

export interface Alteration {
  readonly statements: readonly string[]
  readonly byHand: readonly string[]
}

const NOTHING: Alteration = { statements: [], byHand: [] }

/** Of a table, column, type, sequence or extension; the other kinds are dropped and made again. */
export function alterStatements(from: StructureItem, to: StructureItem, structure: Structure): Alteration {
  switch (to.kind) {
    case 'table':
      return alterTable(from, to)
    case 'column':
      return { statements: alterColumn(from, to), byHand: [] }
    case 'type':
      return alterType(from, to, structure)
    case 'sequence':
      return { statements: alterSequence(from, to), byHand: [] }
    case 'extension':
      return { statements: [`ALTER EXTENSION ${to.identifier} SET SCHEMA ${to.facets['schema'] ?? 'public'}`], byHand: [] }
    default:
      return NOTHING
  }
}

/** What a table that was just made has beside its columns. */
export function tableSwitches(table: StructureItem): Alteration {
  const asMade = { 'row security': 'off', 'row security of the owner': 'off', 'replica identity': 'default' }
  return alterTable({ ...table, facets: { ...table.facets, ...asMade } }, table)
}

function alterTable(from: StructureItem, to: StructureItem): Alteration {
  const alter = `ALTER TABLE ${to.identifier}`
  const statements: string[] = []
  const byHand: string[] = []
  for (const facet of changedFacets(from, to)) {
    const value = to.facets[facet] ?? ''
    if (facet === 'row security') statements.push(`${alter} ${value === 'on' ? 'ENABLE' : 'DISABLE'} ROW LEVEL SECURITY`)
    else if (facet === 'row security of the owner')
      statements.push(`${alter} ${value === 'on' ? 'FORCE' : 'NO FORCE'} ROW LEVEL SECURITY`)
    else if (facet === 'kept') statements.push(`${alter} SET ${value === 'unlogged' ? 'UNLOGGED' : 'LOGGED'}`)
    else if (facet === 'replica identity' && value !== 'index')
      statements.push(`${alter} REPLICA IDENTITY ${value.toUpperCase()}`)
    else byHand.push(`${facet} of table ${to.name}: ${value === '' ? 'none' : value}`)
  }
  return { statements, byHand }
}

function alterColumn(from: StructureItem, to: StructureItem): readonly string[] {
  const alter = `ALTER TABLE ${to.table ?? ''} ALTER COLUMN ${to.identifier}`
  const changed = new Set(changedFacets(from, to))
  if (changed.has('generated')) {
    if (to.facets['generated'] !== undefined) {
      const warning =
        from.facets['generated'] === undefined ? '-- What was written there is gone; from now on it is computed.\n' : ''
      return [warning + dropStatement(from), `ALTER TABLE ${to.table ?? ''} ADD COLUMN ${columnDefinition(to)}`]
    }
    return [`${alter} DROP EXPRESSION`, ...alterColumn({ ...from, facets: withoutFacet(from.facets, 'generated') }, to)]
  }
  const isRetyped = changed.has('type') || changed.has('collation')
  const [before, after] = [from.facets['default'], to.facets['default']]
  const { type = '', collation, identity } = to.facets
  const collate = collation === undefined ? '' : ` COLLATE ${collation}`
  return [
    ...(changed.has('identity') && identity === undefined ? [`${alter} DROP IDENTITY`] : []),
    // A default of the former type need not fit the new one.
    ...(before !== undefined && (isRetyped || after === undefined) ? [`${alter} DROP DEFAULT`] : []),
    ...(isRetyped ? [`${isCutting(type) ? CUT : ''}${alter} TYPE ${type}${collate} USING ${to.identifier}::${type}`] : []),
    ...(after !== undefined && (isRetyped || changed.has('default')) ? [`${alter} SET DEFAULT ${after}`] : []),
    ...(changed.has('null') ? [`${alter} ${to.facets['null'] === 'no' ? 'SET' : 'DROP'} NOT NULL`] : []),
    ...(changed.has('identity') && identity !== undefined
      ? [
          `${alter} ${from.facets['identity'] === undefined ? `ADD GENERATED ${identity} AS IDENTITY` : `SET GENERATED ${identity}`}`,
        ]
      : []),
  ]
}

const CUT = '-- The cast cuts, or rounds, what is too long for the new type, and says nothing. Without USING it is refused.\n'

/** A type with a length or a scale: an explicit cast makes every value fit. */
function isCutting(type: string): boolean {
  return /\(\d/.test(type)
}

function alterType(from: StructureItem, to: StructureItem, structure: Structure): Alteration {
  const { facets, identifier, name } = to
  if (facets['kind'] === 'enum' && from.facets['kind'] === 'enum')
    return { statements: alterEnum(from, to, structure), byHand: [] }
  const changed = changedFacets(from, to)
  if (facets['kind'] !== 'domain' || changed.some((facet) => facet !== 'default' && facet !== 'null')) {
    return { statements: [], byHand: changed.map((facet) => `${facet} of type ${name}: ${facets[facet] ?? 'none'}`) }
  }
  const statements = changed.map((facet) => {
    if (facet === 'null') return `ALTER DOMAIN ${identifier} ${facets['null'] === 'no' ? 'SET' : 'DROP'} NOT NULL`
    return `ALTER DOMAIN ${identifier} ${facets['default'] === undefined ? 'DROP DEFAULT' : `SET DEFAULT ${facets['default']}`}`
  })
  return { statements, byHand: [] }
}

/**
 * Labels that come to those that are there are added. PostgreSQL has no statement that takes one away: then the type is made anew and its
 * columns are moved over, which fails where a row has a label that is gone.
 */
function alterEnum(from: StructureItem, to: StructureItem, structure: Structure): readonly string[] {
  const [before, after] = [labelsOf(from), labelsOf(to)]
  const { identifier } = to
  if (before.join() === after.filter((label) => before.includes(label)).join()) {
    return after.flatMap((label, at) => {
      if (before.includes(label)) return []
      return [
        `ALTER TYPE ${identifier} ADD VALUE ${label}${at === 0 ? ` BEFORE ${before[0] ?? ''}` : ` AFTER ${after[at - 1] ?? ''}`}`,
      ]
    })
  }
  const schema = identifier.slice(0, identifier.lastIndexOf('.'))
  const aside = `"${to.name.slice(to.name.lastIndexOf('.') + 1)} before"`
  const columns = [...structure.values()].filter(({ kind, facets }) => kind === 'column' && facets['type'] === identifier)
  return [
    `ALTER TYPE ${identifier} RENAME TO ${aside}`,
    createStatement(to),
    ...columns.flatMap((column) => {
      const alter = `ALTER TABLE ${column.table ?? ''} ALTER COLUMN ${column.identifier}`
      const fallback = column.facets['default']
      return [
        ...(fallback === undefined ? [] : [`${alter} DROP DEFAULT`]),
        `${alter} TYPE ${identifier} USING ${column.identifier}::text::${identifier}`,
        ...(fallback === undefined ? [] : [`${alter} SET DEFAULT ${fallback}`]),
      ]
    }),
    `DROP TYPE ${schema}.${aside}`,
  ]
}

function alterSequence(from: StructureItem, to: StructureItem): readonly string[] {
  const changed = changedFacets(from, to)
  return [
    ...(changed.some((facet) => facet !== 'owned by') ? [`ALTER SEQUENCE ${to.identifier} ${sequenceOptions(to.facets)}`] : []),
    ...(changed.includes('owned by') ? [`ALTER SEQUENCE ${to.identifier} OWNED BY ${to.facets['owned by'] ?? 'NONE'}`] : []),
  ]
}

function labelsOf({ facets }: StructureItem): readonly string[] {
  return (facets['labels'] ?? '').match(/E?'(?:[^']|'')*'/g) ?? []
}

function changedFacets(from: StructureItem, to: StructureItem): readonly string[] {
  const names = new Set([...Object.keys(from.facets), ...Object.keys(to.facets)])
  return [...names].filter((name) => from.facets[name] !== to.facets[name])
}

function withoutFacet(facets: StructureItem['facets'], name: string): StructureItem['facets'] {
  return Object.fromEntries(Object.entries(facets).filter(([facet]) => facet !== name))
}
