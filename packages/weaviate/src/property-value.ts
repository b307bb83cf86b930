/** A value of a captured column as a property of an object, and back to PostgreSQL's text. */
import type { ColumnType, SinkTable } from '@sluice/system'
import { textArrayElements, textArrayOf } from './text-array.ts'

/** A data type of Weaviate. What has no form of its own is held as PostgreSQL's text. */
export type PropertyForm = 'text' | 'int' | 'boolean' | 'text[]'

export type PropertyValue = string | number | boolean | readonly string[]

const FORMS: Readonly<Record<string, PropertyForm>> = {
  smallint: 'int',
  integer: 'int',
  boolean: 'boolean',
  'text[]': 'text[]',
}

export function formOf(type: ColumnType | undefined): PropertyForm {
  return FORMS[type?.sqlType ?? ''] ?? 'text'
}

/** Form of each column of the table. */
export function formsOf({ columns, source }: SinkTable): ReadonlyMap<string, PropertyForm> {
  return new Map(
    Object.entries(columns).map(([name, from]) => [name, formOf(from.kind === 'column' ? source.columns[from.name] : undefined)]),
  )
}

/** @returns null where the form can not hold the value: an array with NULLs, or of several dimensions */
export function propertyValue(form: PropertyForm, text: string): PropertyValue | null {
  switch (form) {
    case 'text':
      return text
    case 'int':
      return Number(text)
    case 'boolean':
      return text === 't'
    case 'text[]':
      return textArrayElements(text)
  }
}

/** @returns null for a value of another form: somebody else wrote it */
export function columnText(form: PropertyForm, value: unknown): string | null {
  switch (form) {
    case 'text':
      return typeof value === 'string' ? value : null
    case 'int':
      return typeof value === 'number' ? String(value) : null
    case 'boolean':
      return typeof value === 'boolean' ? (value ? 't' : 'f') : null
    case 'text[]':
      return Array.isArray(value) && value.every((v) => typeof v === 'string') ? textArrayOf(value) : null
  }
}
