/**
 * The type of a captured column: PostgreSQL's type name, how Avro carries it, and whether it may be NULL.
 *
 * Whatever `avro` can't hold (NaN, infinities, dates outside its range) travels as PostgreSQL's text in the same union.
 */

/** How a value travels in Avro. `text` is PostgreSQL's own text form and holds everything. */
export type AvroForm =
  | { readonly form: 'text' }
  | { readonly form: 'boolean' }
  | { readonly form: 'int' }
  | { readonly form: 'long' }
  | { readonly form: 'float' }
  | { readonly form: 'double' }
  | { readonly form: 'bytes' }
  | { readonly form: 'uuid' }
  | { readonly form: 'date' }
  /** Microseconds of the day. */
  | { readonly form: 'time-micros' }
  /** Instant: microseconds since 1970-01-01 UTC (timestamptz). */
  | { readonly form: 'timestamp-micros' }
  /** Wall clock without a zone (timestamp). */
  | { readonly form: 'local-timestamp-micros' }
  | { readonly form: 'decimal'; readonly precision: number; readonly scale: number }

export interface ColumnType<Nullable extends boolean = boolean> {
  /** As PostgreSQL writes it: `numeric(14,2)`, `text[]`, `public.opportunity_status`. */
  readonly sqlType: string
  readonly avro: AvroForm
  readonly isNullable: Nullable
  /** True for a type that only the source has (an enum, a domain, a composite): elsewhere its values are text. */
  readonly isSourceOnly: boolean
  /** Labels of an enum, in order. */
  readonly labels?: readonly string[]
}

export interface ColumnBuilder<Nullable extends boolean> extends ColumnType<Nullable> {
  nullable(): ColumnType<true>
}

function column(
  sqlType: string,
  avro: AvroForm,
  extra: { isSourceOnly?: boolean; labels?: readonly string[] } = {},
): ColumnBuilder<false> {
  const type = { sqlType, avro, isSourceOnly: extra.isSourceOnly ?? false, ...(extra.labels ? { labels: extra.labels } : {}) }
  return { ...type, isNullable: false, nullable: () => ({ ...type, isNullable: true }) }
}

export const uuid = (): ColumnBuilder<false> => column('uuid', { form: 'uuid' })
export const text = (): ColumnBuilder<false> => column('text', { form: 'text' })
export const varchar = (length: number): ColumnBuilder<false> => column(`character varying(${length})`, { form: 'text' })
export const boolean = (): ColumnBuilder<false> => column('boolean', { form: 'boolean' })
export const smallint = (): ColumnBuilder<false> => column('smallint', { form: 'int' })
export const integer = (): ColumnBuilder<false> => column('integer', { form: 'int' })
export const bigint = (): ColumnBuilder<false> => column('bigint', { form: 'long' })
export const real = (): ColumnBuilder<false> => column('real', { form: 'float' })
export const double = (): ColumnBuilder<false> => column('double precision', { form: 'double' })
export const bytea = (): ColumnBuilder<false> => column('bytea', { form: 'bytes' })
export const date = (): ColumnBuilder<false> => column('date', { form: 'date' })
export const time = (): ColumnBuilder<false> => column('time without time zone', { form: 'time-micros' })
export const timestamptz = (): ColumnBuilder<false> => column('timestamp with time zone', { form: 'timestamp-micros' })
export const timestamp = (): ColumnBuilder<false> => column('timestamp without time zone', { form: 'local-timestamp-micros' })
export const json = (): ColumnBuilder<false> => column('json', { form: 'text' })
export const jsonb = (): ColumnBuilder<false> => column('jsonb', { form: 'text' })

/** With precision and scale an Avro decimal; without, PostgreSQL's text, since Avro's scale is fixed. */
export function numeric(precision?: number, scale = 0): ColumnBuilder<false> {
  if (precision === undefined) return column('numeric', { form: 'text' })
  return column(`numeric(${precision},${scale})`, { form: 'decimal', precision, scale })
}

/** An array of any element type, of any dimensions; travels as PostgreSQL's text. */
export function arrayOf(element: ColumnType): ColumnBuilder<false> {
  return column(`${element.sqlType}[]`, { form: 'text' }, { isSourceOnly: element.isSourceOnly })
}

/** An enum type of the source, schema-qualified. Its labels travel as strings, so that a new label needs no new schema. */
export function enumType(name: string, labels: readonly string[]): ColumnBuilder<false> {
  return column(name, { form: 'text' }, { isSourceOnly: true, labels })
}

/**
 * Any other type, carried as PostgreSQL's text: `other('inet')`, `other('int4range')`.
 *
 * @param options.isSourceOnly True if the service databases do not have the type.
 */
export function other(sqlType: string, options: { isSourceOnly?: boolean } = {}): ColumnBuilder<false> {
  return column(sqlType, { form: 'text' }, options)
}
