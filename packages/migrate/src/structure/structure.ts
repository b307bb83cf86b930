/**
 * The structure of a database: what its catalogs say of the things that migrations make, in PostgreSQL's own words, so that two databases of
 * one server version can be compared as texts. Not in it: owners, grants, comments, publications, the order of columns, versions of
 * extensions, and what an extension brings with it.
 */

/** In the order in which a migration makes them. */
export const ITEM_KINDS = [
  'extension',
  'schema',
  'type',
  'sequence',
  'table',
  'column',
  'function',
  'constraint',
  'view',
  'index',
  'trigger',
  'policy',
] as const

export type ItemKind = (typeof ITEM_KINDS)[number]

export interface StructureItem {
  readonly kind: ItemKind
  /** As people read it; one of a kind has it: `public.items`, `public.items.title`, `items_pkey on public.items`. */
  readonly name: string
  /** As SQL names it, quoted: qualified, or within its table. */
  readonly identifier: string
  /** The table or view that it is a part of, as SQL names it; null for what stands by itself. */
  readonly table: string | null
  /** What it is made of; two are equal if all of it is. */
  readonly facets: Readonly<Record<string, string>>
}

/** By `itemKey`. */
export type Structure = ReadonlyMap<string, StructureItem>

export function itemKey({ kind, name }: Pick<StructureItem, 'kind' | 'name'>): string {
  return `${kind} ${name}`
}

/** What the first has and the second does not name. */
export function without(structure: Structure, others: Structure): Structure {
  return new Map([...structure].filter(([key]) => !others.has(key)))
}

/** Partitions come and go with the data of a table: those that the migrations do not make are left out, with their parts. */
export function withoutLatePartitions(live: Structure, made: Structure): Structure {
  const late = new Set(
    [...without(live, made).values()].flatMap(({ identifier, facets }) =>
      facets['partition of'] === undefined ? [] : [identifier],
    ),
  )
  return new Map([...live].filter(([, { identifier, table }]) => !late.has(table ?? identifier)))
}
