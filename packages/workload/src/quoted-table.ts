import { quoteQualified } from '@sluice/core'

export interface TableName {
  readonly schema: string
  readonly name: string
}

/** `"public"."clients"`, for SQL. */
export function quotedTable(table: TableName): string {
  return quoteQualified(table.schema, table.name)
}
