/** A class of Weaviate with an object for each row of a captured table, and what the object's embedding is made of. */
import type { CapturedTable } from './captured-table.ts'
import type { SinkSource, SinkTable } from './sink-table.ts'
import type { ColumnRef } from './sql-expression.ts'

export interface WeaviateClass extends SinkTable {
  readonly kind: 'objects'
  readonly store: 'weaviate'
  /** Properties whose texts, in order and apart by an empty line, are what is embedded. */
  readonly embedded: readonly string[]
  /** Property that holds the version of the embedder that made the object's vector. */
  readonly embeddingVersion: string
}

export interface WeaviateObjectsOptions<Column extends string> {
  /** Name of the class. */
  readonly into: string
  /** JSON file of the class: its name, description and properties. */
  readonly structure: URL
  readonly columns: (c: { readonly [C in Column]: ColumnRef<C> }) => Readonly<Record<string, SinkSource>>
  readonly embedded: readonly string[]
  /** @default 'embeddings_version' */
  readonly embeddingVersion?: string
}

export function weaviateObjects<Name extends string, Column extends string>(
  source: CapturedTable<Name, Column>,
  { into, structure, columns, embedded, embeddingVersion }: WeaviateObjectsOptions<Column>,
): WeaviateClass {
  return {
    kind: 'objects',
    store: 'weaviate',
    name: into,
    source,
    columns: columns(source.refs),
    structure,
    history: null,
    embedded,
    embeddingVersion: embeddingVersion ?? 'embeddings_version',
  }
}

export function isWeaviateClass(table: SinkTable): table is WeaviateClass {
  return table.store === 'weaviate' && 'embedded' in table && 'embeddingVersion' in table
}
