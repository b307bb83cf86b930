/**
 * Writes a column's PostgreSQL text into its union. Each writer knows its own branch numbers (see `typesOfForm`): 0 is null, 1
 * the typed form, then text where there is one, `Unavailable` last. The typed form is used only where it gives the same
 * text again; everything else goes as text.
 */
import type { AvroForm } from '@sluice/system'
import type { AvroWriter } from './avro-writer.ts'
import { parseDays, parseTime, parseTimestamp } from './calendar.ts'
import { parseDecimal } from './decimal.ts'
import { formatDouble, formatFloat } from './float-text.ts'
import { typesOfForm } from './event-schema.ts'

/** `undefined` is a value that PostgreSQL did not send. */
export type ColumnWriter = (writer: AvroWriter, text: string | null | undefined) => void

/** @throws RangeError if a type without a text branch does not hold the text */
export type ValueWriter = (writer: AvroWriter, text: string) => void

const NULL = 0
const TYPED = 2
const TEXT = 4

export function columnWriter(form: AvroForm): ColumnWriter {
  const writeValue = valueWriter(form)
  const unavailable = (typesOfForm(form).length + 1) * 2
  return (writer, text) => {
    if (text === undefined) writer.writeByte(unavailable)
    else if (text === null) writer.writeByte(NULL)
    else writeValue(writer, text)
  }
}

/** Branch numbers are written as zigzag: twice the number. */
function valueWriter(form: AvroForm): ValueWriter {
  switch (form.form) {
    case 'text':
    case 'uuid':
      return (writer, text) => {
        writer.writeByte(TYPED)
        writer.writeString(text)
      }
    case 'boolean':
      return (writer, text) => {
        if (text !== 't' && text !== 'f') throw unfit('boolean')
        writer.writeByte(TYPED)
        writer.writeByte(text === 't' ? 1 : 0)
      }
    case 'int':
      return writeInt
    case 'long':
      return writeLong
    case 'bytes':
      return writeBytea
    case 'float':
      return typedOrText(
        (text) => exactNumber(text, formatFloat, Math.fround),
        (writer, value) => writer.writeFloat(value),
      )
    case 'double':
      return typedOrText(
        (text) => exactNumber(text, formatDouble, (n) => n),
        (writer, value) => writer.writeDouble(value),
      )
    case 'date':
      return typedOrText(parseDays, (writer, value) => writer.writeLong(value))
    case 'time-micros':
      return typedOrText(
        (text) => parseTime(text),
        (writer, value) => writer.writeLong(value),
      )
    case 'timestamp-micros':
      return typedOrText(
        (text) => parseTimestamp(text, '+00'),
        (writer, value) => writer.writeLong(value),
      )
    case 'local-timestamp-micros':
      return typedOrText(
        (text) => parseTimestamp(text, ''),
        (writer, value) => writer.writeLong(value),
      )
    case 'decimal':
      return decimalWriter(form.precision, form.scale)
  }
}

function typedOrText<T>(parse: (text: string) => T | null, write: (writer: AvroWriter, value: T) => void): ValueWriter {
  return (writer, text) => {
    const value = parse(text)
    if (value === null) {
      writer.writeByte(TEXT)
      writer.writeString(text)
    } else {
      writer.writeByte(TYPED)
      write(writer, value)
    }
  }
}

function decimalWriter(precision: number, scale: number): ValueWriter {
  if (scale < 0 || scale > precision) return valueWriter({ form: 'text' })
  return typedOrText(
    (text) => parseDecimal(text, precision, scale),
    (writer, value) => writer.writeBytes(value),
  )
}

const writeInt: ValueWriter = (writer, text) => {
  const value = Number(text)
  if ((value | 0) !== value || String(value) !== text) throw unfit('int')
  writer.writeByte(TYPED)
  writer.writeLong(value)
}

const INT64 = /^(0|-?[1-9][0-9]{0,18})$/

const writeLong: ValueWriter = (writer, text) => {
  if (!INT64.test(text)) throw unfit('long')
  writer.writeByte(TYPED)
  if (text.length <= 15) {
    writer.writeLong(Number(text))
    return
  }
  const value = BigInt(text)
  if (BigInt.asIntN(64, value) !== value) throw unfit('long')
  writer.writeBigLong(value)
}

const writeBytea: ValueWriter = (writer, text) => {
  const bytes = Buffer.from(text.slice(2), 'hex')
  if (!text.startsWith('\\x') || bytes.length * 2 !== text.length - 2) throw unfit('bytes')
  writer.writeByte(TYPED)
  writer.writeBytes(bytes)
}

/** The number of a text that is printed the same; NaN and the infinities go as text, since few clients expect them. */
function exactNumber(text: string, format: (value: number) => string, round: (value: number) => number): number | null {
  const value = round(Number(text))
  return Number.isFinite(value) && format(value) === text ? value : null
}

/** Never holds the value itself. */
function unfit(form: string): RangeError {
  return new RangeError(`the stored text is no ${form}`)
}
