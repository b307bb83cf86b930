/**
 * The text form of a one-dimensional `text[]`, by which a column of many rows becomes one statement parameter.
 *
 * https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
 */
const NEEDS_ESCAPE = /["\\]/

/** @param values null is NULL. */
export function textArray(values: readonly (string | null)[]): string {
  let text = ''
  for (const value of values) text += value === null ? ',NULL' : `,"${escaped(value)}"`
  return `{${text.slice(1)}}`
}

function escaped(value: string): string {
  return NEEDS_ESCAPE.test(value) ? value.replace(/["\\]/g, '\\$&') : value
}
