/** A row of a monolith's table, for COPY and for parameters alike. */

/** A text is PostgreSQL's own text form of the value, whatever the column's type is: `{a,b}`, `[1,2)`, `\x00ff`. */
export type SampleValue = string | number | boolean | null

/** Values by column. A column that is not named gets its default. */
export type SampleRow = Readonly<Record<string, SampleValue>>

export function textOf(value: SampleValue): string | null {
  return value === null ? null : String(value)
}
