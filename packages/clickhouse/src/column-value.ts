/**
 * PostgreSQL's text of a value as JSON text of a ClickHouse column, exactly, or not at all: nothing is rounded, cut or guessed.
 *
 * https://clickhouse.com/docs/en/sql-reference/data-types
 */
import type { ValueForm } from '@sluice/sink'

/** Gives JSON text, or null where the column can not hold the value. */
export type ColumnWriter = (text: string) => string | null

/** A writer for a column's type as `system.columns` names it; null for a type that nothing is written into. */
export function columnWriter(type: string): ColumnWriter | null {
  const inner = /^(?:Nullable|LowCardinality)\((.*)\)$/.exec(type)?.[1]
  if (inner !== undefined) return columnWriter(inner)
  const [, name = '', rest = ''] = /^(\w+)(?:\((.*)\))?$/.exec(type) ?? []
  const int = /^(U?)Int(8|16|32|64|128|256)$/.exec(name)
  if (int) return integerWriter(int[1] === 'U', BigInt(int[2] ?? '0'))
  switch (name) {
    case 'String':
      return JSON.stringify
    case 'UUID':
      return (text) => (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text) ? JSON.stringify(text) : null)
    case 'Bool':
      return (text) => ({ t: 'true', true: 'true', f: 'false', false: 'false' })[text] ?? null
    case 'Decimal': {
      const [precision = 0, scale = 0] = rest.split(',').map(Number)
      return decimalWriter(precision, scale)
    }
    case 'Float64':
      return (text) => (Number.isFinite(Number(text)) && text !== '' ? text : null)
    case 'Date':
      return dateWriter('1970-01-01', '2149-06-06')
    case 'Date32':
      return dateWriter('1900-01-01', '2299-12-31')
    case 'DateTime':
      return rest === "'UTC'" ? timeWriter(0, '1970-01-01 00:00:00', '2106-02-07 06:28:15') : null
    case 'DateTime64': {
      const digits = Number(rest.split(',')[0])
      const last = digits > 8 ? '2262-04-11 23:47:15' : '2299-12-31 23:59:59'
      return /^\d, 'UTC'$/.test(rest) ? timeWriter(digits, '1900-01-01 00:00:00', last) : null
    }
    default:
      return null
  }
}

/** The form in which ClickHouse prints a value that was written into a column of this type. */
export function printedForm(type: string): ValueForm {
  const bare = type.replace(/^LowCardinality\((.*)\)$/, '$1').replace(/^Nullable\((.*)\)$/, '$1')
  if (/^(U?Int|Decimal)/.test(bare)) return 'number'
  if (bare.startsWith('DateTime')) return 'time'
  return bare === 'Float64' ? 'double' : bare === 'Bool' ? 'boolean' : 'text'
}

export function isNullable(type: string): boolean {
  return /^(LowCardinality\()?Nullable\(/.test(type)
}

function integerWriter(isUnsigned: boolean, bits: bigint): ColumnWriter {
  const least = isUnsigned ? 0n : -(1n << (bits - 1n))
  const most = isUnsigned ? (1n << bits) - 1n : (1n << (bits - 1n)) - 1n
  return (text) => {
    if (!/^-?\d+$/.test(text)) return null
    const value = BigInt(text)
    return value >= least && value <= most ? `"${text}"` : null
  }
}

/** What has more digits behind the point than the column is refused, unless they are zeros. */
function decimalWriter(precision: number, scale: number): ColumnWriter {
  return (text) => {
    const [, sign = '', whole = '', fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? []
    if (whole === '' || /[1-9]/.test(fraction.slice(scale))) return null
    const digits = whole.replace(/^0+(?=\d)/, '')
    if ((digits === '0' ? 0 : digits.length) > precision - scale) return null
    const kept = fraction.slice(0, scale)
    return `"${sign}${digits}${kept === '' ? '' : `.${kept}`}"`
  }
}

/** Four-digit years compare as texts do; `infinity`, years before Christ and later ones are none. */
function dateWriter(first: string, last: string): ColumnWriter {
  return (text) => (/^\d{4}-\d\d-\d\d$/.test(text) && text >= first && text <= last ? `"${text}"` : null)
}

/** Sessions of Sluice are in UTC, and so is the column: the same digits mean the same time. */
function timeWriter(digits: number, first: string, last: string): ColumnWriter {
  return (text) => {
    const [, time = '', fraction = ''] = /^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(?:\+00)?$/.exec(text) ?? []
    if (time === '' || time < first || time > last || /[1-9]/.test(fraction.slice(digits))) return null
    const kept = fraction.slice(0, digits)
    return `"${time}${kept === '' ? '' : `.${kept}`}"`
  }
}
