/** Quoting of names that come from definitions and catalogs; values are always parameters. */
import pg from 'pg'

export function quoteIdentifier(name: string): string {
  return pg.escapeIdentifier(name)
}

export function quoteQualified(schema: string, name: string): string {
  return `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(name)}`
}

/** A text as an SQL literal, for the few statements that take no parameters (replication commands, SET). */
export function quoteLiteral(text: string): string {
  return pg.escapeLiteral(text)
}
