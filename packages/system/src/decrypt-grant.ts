/** Encrypted columns that the projector of a service may read: the service holds them in the clear, in the source's type. */
import type { CapturedTable } from './captured-table.ts'

export interface DecryptGrant {
  readonly kind: 'decrypt'
  readonly table: CapturedTable
  /** Column to what stands in its place once its subject is erased: text of the source's type, or null. */
  readonly columns: Readonly<Record<string, string | null>>
}

/** Grants a service encrypted columns of a captured table: `decrypt(customers, { phone: '[erased]' })`. */
export function decrypt<Name extends string, Column extends string>(
  table: CapturedTable<Name, Column>,
  columns: { readonly [C in Column]?: string | null },
): DecryptGrant {
  const granted = Object.entries<string | null | undefined>(columns).flatMap(([name, placeholder]) =>
    placeholder === undefined ? [] : [[name, placeholder] as const],
  )
  return { kind: 'decrypt', table, columns: Object.fromEntries(granted) }
}
