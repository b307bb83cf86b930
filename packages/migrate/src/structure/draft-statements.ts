/**
 * The statements that turn one structure into another: first what goes, from what depends to what is depended on; then what comes or
 * changes, the other way round. A draft: names that changed are seen as one that went and one that came.
 */
import { type Alteration, alterStatements, tableSwitches } from './alter-statements.ts'
import { createStatement, dropStatement } from './create-statements.ts'
import { ITEM_KINDS, type ItemKind, type Structure, type StructureItem, itemKey } from './structure.ts'

export interface DraftedStatements {
  /** Each without its semicolon; a line before it may be a comment. */
  readonly statements: readonly string[]
  /** What no statement was found for. */
  readonly byHand: readonly string[]
}

/** Made again where they differ: nothing is kept in them. */
const REPLACED: ReadonlySet<ItemKind> = new Set(['constraint', 'index', 'view', 'trigger', 'policy', 'function'])

const DROP_ORDER: readonly ItemKind[] = [
  'policy',
  'trigger',
  'view',
  'constraint',
  'index',
  'column',
  'table',
  'function',
  'sequence',
  'type',
  'schema',
  'extension',
]
/** Triggers and policies come last, after row security was switched on. */
const MAKE_ORDER = ITEM_KINDS.filter((kind) => kind !== 'trigger' && kind !== 'policy')

export function draftStatements(from: Structure, to: Structure): DraftedStatements {
  const gone = [...from.values()].filter((item) => !to.has(itemKey(item)))
  const changed = [...to.values()].filter((item) => isChanged(from.get(itemKey(item)), item))
  const replaced = changed.filter((item) => REPLACED.has(item.kind) && !isReplacedInPlace(from, item))
  const fresh = [...to.values()].filter((item) => !from.has(itemKey(item)))
  const goneTables = new Set(gone.filter((item) => item.kind === 'table' || item.kind === 'view').map((item) => item.identifier))
  const byHand: string[] = []

  // What belongs to a table goes with it, but for foreign keys: of two tables that go one may refer to the other. Of views the later ones
  // may be made of the earlier.
  const drops = [...gone, ...replaced.flatMap((item) => from.get(itemKey(item)) ?? [])]
    .filter((item) => isForeignKey(item) || item.table === null || !goneTables.has(item.table))
    .toReversed()
    .toSorted((a, b) => dropRank(a) - dropRank(b))
    .map((item) => warned(item, dropStatement(item)))

  const makes = MAKE_ORDER.flatMap((kind) => {
    const made = [...fresh, ...replaced].filter((item) => item.kind === kind)
    const altered = changed.filter((item) => item.kind === kind && !replaced.includes(item))
    if (kind === 'table') return [...createTables(made, to), ...altered.flatMap(alter)]
    // A generated column that comes may be made of one whose type changes, which PostgreSQL refuses the other way round.
    if (kind === 'column') {
      const added = made.filter((item) => !isOfFreshTable(item)).map(addColumn)
      return [...altered.flatMap(alter), ...added, ...ownSequences()]
    }
    return [...made.toSorted((a, b) => makeRank(a) - makeRank(b)).map((item) => createStatement(item)), ...altered.flatMap(alter)]
  })

  const switches = fresh.filter((item) => item.kind === 'table').flatMap((table) => take(tableSwitches(table)))
  const last = (['trigger', 'policy'] as const).flatMap((kind) => {
    const made = [...fresh, ...replaced].filter((item) => item.kind === kind)
    return made.flatMap((item) => [createStatement(item), ...firing(item)])
  })
  return { statements: [...drops, ...makes, ...switches, ...last], byHand }

  function alter(item: StructureItem): readonly string[] {
    if (item.kind === 'function') return [createStatement(item)]
    const before = from.get(itemKey(item))
    if (!before) return []
    return take(alterStatements(before, item, from))
  }

  function take(alteration: Alteration): readonly string[] {
    byHand.push(...alteration.byHand)
    return alteration.statements
  }

  function isOfFreshTable(item: StructureItem): boolean {
    return fresh.some((other) => other.kind === 'table' && other.identifier === item.table)
  }

  /** A serial column and its sequence name each other: the sequence is made first, and given to the column after it. */
  function ownSequences(): readonly string[] {
    return fresh.flatMap(({ kind, identifier, facets }) =>
      kind === 'sequence' && facets['owned by'] !== undefined
        ? [`ALTER SEQUENCE ${identifier} OWNED BY ${facets['owned by']}`]
        : [],
    )
  }
}

/** Partitions after what they are partitions of. */
function createTables(tables: readonly StructureItem[], to: Structure): readonly string[] {
  const left = [...tables]
  const statements: string[] = []
  while (left.length > 0) {
    const at = left.findIndex(({ facets }) => !left.some((other) => other.identifier === facets['partition of']))
    const [table] = left.splice(Math.max(at, 0), 1)
    if (!table) break
    const columns = [...to.values()].filter((item) => item.kind === 'column' && item.table === table.identifier)
    statements.push(createStatement(table, columns))
  }
  return statements
}

function addColumn(item: StructureItem): string {
  const { facets } = item
  const isFilled = facets['default'] !== undefined || facets['generated'] !== undefined || facets['identity'] !== undefined
  const statement = createStatement(item)
  if (facets['null'] !== 'no' || isFilled) return statement
  return `-- Fails where the table has rows: give it a default, or add it without NOT NULL, fill it, and set NOT NULL then.\n${statement}`
}

function firing({ kind, identifier, table, facets }: StructureItem): readonly string[] {
  if (kind !== 'trigger' || facets['fires'] === 'on') return []
  const how = { never: 'DISABLE', 'in replicas': 'ENABLE REPLICA', always: 'ENABLE ALWAYS' }[facets['fires'] ?? ''] ?? 'ENABLE'
  return [`ALTER TABLE ${table ?? ''} ${how} TRIGGER ${identifier}`]
}

function warned(item: StructureItem, statement: string): string {
  if (item.kind !== 'table' && item.kind !== 'column') return statement
  return `-- Its values are gone with it. If it has another name now, write ALTER TABLE ... RENAME instead.\n${statement}`
}

function isChanged(before: StructureItem | undefined, item: StructureItem): boolean {
  if (!before) return false
  const names = new Set([...Object.keys(before.facets), ...Object.keys(item.facets)])
  return [...names].some((name) => before.facets[name] !== item.facets[name])
}

/** A function that returns the same may be replaced under what uses it. */
function isReplacedInPlace(from: Structure, item: StructureItem): boolean {
  return item.kind === 'function' && from.get(itemKey(item))?.facets['returns'] === item.facets['returns']
}

/** Foreign keys go first, and come last: they lean on the keys of others. Partitions go before what they are partitions of. */
function dropRank(item: StructureItem): number {
  return DROP_ORDER.indexOf(item.kind) - (isForeignKey(item) || item.facets['partition of'] !== undefined ? 0.5 : 0)
}

function makeRank(item: StructureItem): number {
  return isForeignKey(item) ? 1 : 0
}

function isForeignKey({ kind, facets }: StructureItem): boolean {
  return kind === 'constraint' && (facets['definition'] ?? '').startsWith('FOREIGN KEY')
}
