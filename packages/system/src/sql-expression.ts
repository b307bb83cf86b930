/**
 * SQL over the columns of one captured table, written with `sql`. It runs in two places: in the projector over the
 * rows of an event, and in the monolith when `verify` asks what the target must hold. So it must be immutable and give
 * the same value in both; source-only types (enums) are text in both.
 *
 *   columns: (c) => ({ size_kb: sql`ceil(${c.size_bytes} / 1024.0)::int` })
 */
export interface ColumnRef<Name extends string = string> {
  readonly kind: 'column'
  readonly name: Name
}

export interface SqlExpression {
  readonly kind: 'expression'
  /** Literal SQL before, between and after the references; one longer than `refs`. */
  readonly literals: readonly string[]
  readonly refs: readonly ColumnRef[]
}

export type ColumnSource = ColumnRef | SqlExpression

/** Only column references may be put in; values are written as SQL literals in the text. */
export function sql(literals: TemplateStringsArray, ...refs: readonly ColumnRef[]): SqlExpression {
  return { kind: 'expression', literals: [...literals], refs }
}

/** Names of the columns that a source reads. */
export function columnsOf(source: ColumnSource): readonly string[] {
  return source.kind === 'column' ? [source.name] : [...new Set(source.refs.map((ref) => ref.name))]
}

/**
 * SQL text of a source.
 *
 * @param render Gives the SQL of a referenced column, quoted by the caller: `s."title"`.
 */
export function renderSql(source: ColumnSource, render: (column: string) => string): string {
  if (source.kind === 'column') return render(source.name)
  return source.literals.reduce((text, literal, i) => {
    const ref = source.refs[i - 1]
    return ref === undefined ? text + literal : `${text}${render(ref.name)}${literal}`
  })
}
