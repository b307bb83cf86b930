/**
 * An error as people read it on stderr:
 *
 *   ✗ SLU-2020  slot "sluice_shop" is gone
 *     why   no slot of that name exists in localhost:5432/shop
 *     try   sluice doctor
 *     or    ...
 *     more  sluice explain SLU-2020
 */
import type { SluiceError } from '@sluice/core'
import type { Style } from './glyphs.ts'

const INDENT = '  '
const LABEL_WIDTH = 6

export function errorText(error: SluiceError, style: Style): string {
  const [first, ...others] = error.ways
  const lines = [
    `${style.paint('broken', `${style.failed} ${error.number}`)}  ${error.what}`,
    labelled('why', error.why, style),
    ...(first === undefined ? [] : [labelled('try', first, style)]),
    // The label says it already.
    ...others.map((way) => labelled('or', way.replace(/^or /, ''), style)),
    labelled('more', `sluice explain ${error.number}`, style),
  ]
  return `${lines.join('\n')}\n`
}

/** A labelled line; further lines of the text stand below its first. */
export function labelled(label: string, text: string, style: Style): string {
  const [first = '', ...rest] = text.split('\n')
  const below = ' '.repeat(INDENT.length + LABEL_WIDTH)
  return [`${INDENT}${style.paint('dim', label.padEnd(LABEL_WIDTH))}${first}`, ...rest.map((line) => below + line)].join('\n')
}
