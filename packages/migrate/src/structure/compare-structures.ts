/** Compares two structures, item by item and facet by facet. */
import type { ItemKind, Structure, StructureItem } from './structure.ts'

export interface FacetDifference {
  readonly facet: string
  /** Null where it has none. */
  readonly expected: string | null
  readonly found: string | null
}

export interface StructureDifference {
  readonly kind: ItemKind
  readonly name: string
  readonly problem: 'missing' | 'unexpected' | 'different'
  /** Of a different one: what differs. */
  readonly facets: readonly FacetDifference[]
}

/** What belongs to a table that is missing or unexpected is not named beside it. */
export function compareStructures(expected: Structure, found: Structure): readonly StructureDifference[] {
  const differences: StructureDifference[] = []
  for (const [item, problem] of [...onlyIn(expected, found, 'missing'), ...onlyIn(found, expected, 'unexpected')]) {
    differences.push({ kind: item.kind, name: item.name, problem, facets: [] })
  }
  for (const [key, item] of expected) {
    const other = found.get(key)
    const facets = other ? facetDifferences(item, other) : []
    if (facets.length > 0) differences.push({ kind: item.kind, name: item.name, problem: 'different', facets })
  }
  return differences
}

function onlyIn<Problem extends string>(
  structure: Structure,
  other: Structure,
  problem: Problem,
): readonly (readonly [StructureItem, Problem])[] {
  const items = [...structure].flatMap(([key, item]) => (other.has(key) ? [] : [item]))
  const tables = new Set(items.filter((item) => item.table === null).map((item) => item.identifier))
  return items.filter((item) => !tables.has(tableOf(item) ?? '')).map((item) => [item, problem] as const)
}

/** The sequence of a serial column belongs to the column's table. */
function tableOf({ table, facets }: StructureItem): string | null {
  const column = facets['owned by']
  return column === undefined ? table : column.slice(0, column.lastIndexOf('.'))
}

function facetDifferences(expected: StructureItem, found: StructureItem): readonly FacetDifference[] {
  const names = new Set([...Object.keys(expected.facets), ...Object.keys(found.facets)])
  return [...names].flatMap((facet) => {
    const difference = { facet, expected: expected.facets[facet] ?? null, found: found.facets[facet] ?? null }
    return difference.expected === difference.found ? [] : [difference]
  })
}
