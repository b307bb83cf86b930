import { escapeIdentifier } from 'pg'

export interface TableName {
  readonly schema: string
  readonly name: string
}

/** `"public"."clients"`, for SQL. */
export function quotedTable(table: TableName): string {
  return `${escapeIdentifier(table.schema)}.${escapeIdentifier(table.name)}`
}
