/** Quoting of names that come from definitions and catalogs, for SQL; values are always parameters. */

/** `"order"` */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

/** `"public"."order"` */
export function quoteQualified(schema: string, name: string): string {
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`
}

/**
 * A text as an SQL literal, for the few statements that take no parameters (replication commands, SET, CREATE DATABASE). A backslash
 * means the same whatever `standard_conforming_strings` says; the space keeps an `E` from joining the word before it.
 */
export function quoteLiteral(text: string): string {
  const quoted = `'${text.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`
  return text.includes('\\') ? ` E${quoted}` : quoted
}
