/** The columns of a captured table as the row encoder takes them: the one place where stream and load meet the rules of privacy. */
import { SluiceError } from '@sluice/core'
import { type Tuple, UNCHANGED } from '@sluice/pgoutput'
import type { Capture } from '@sluice/privacy'
import { type CapturedTable, qualifiedName } from '@sluice/system'
import { type EncodedColumn, jsonString } from './row-encoder.ts'

/** @param indexOf Place of each column in the tuples; a column without one is left out. */
export function capturedColumns(
  table: CapturedTable,
  indexOf: ReadonlyMap<string, number>,
  capture: Capture,
): readonly EncodedColumn[] {
  const sent = table.columnNames.filter((name) => indexOf.has(name))
  return sent.map((name) => {
    const column = capture.columnOf(table, name)
    const index = indexOf.get(name)!
    if (column === null) return { name, index }
    if (column.kind === 'text') return { name, index, capture: (text) => jsonString(column.capture(text)) }
    const subjectIndex = indexOf.get(column.subject)!
    return {
      name,
      index,
      capture: (text, values, older) =>
        column.token(text, subjectOf(table, column.subject, values[subjectIndex], older?.[subjectIndex])),
    }
  })
}

/** @throws SluiceError SLU-8003 before anything of the change is stored */
function subjectOf(
  table: CapturedTable,
  column: string,
  value: Tuple[number] | undefined,
  older: Tuple[number] | undefined,
): string {
  const text = value === UNCHANGED ? older : value
  if (typeof text === 'string') return text
  const name = qualifiedName(table)
  throw new SluiceError('SUBJECT_NOT_SENT', {
    what: `a change of ${name} came without its subject column ${column}`,
    why:
      text === null ? 'the column is NULL' : 'PostgreSQL keeps the value out of line, and does not send it while it is unchanged',
    ways: [
      `ALTER TABLE ${name} REPLICA IDENTITY FULL    makes PostgreSQL send it from then on`,
      'name a shorter column as the subject, then load the table again',
    ],
  })
}
