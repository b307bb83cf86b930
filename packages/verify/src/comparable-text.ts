/**
 * One text for all texts of a value, in the form in which a store gives it back. Nothing is rounded but to the double that such a column
 * holds; a text that is not of its form stays as it is. Apart from the code that fills a sink.
 */
import type { ValueForm } from '@sluice/sink'

export function comparableText(form: ValueForm, text: string): string {
  switch (form) {
    case 'text':
      return text
    case 'number':
      return comparableNumber(text)
    case 'double':
      return text.trim() !== '' && Number.isFinite(Number(text)) ? String(Number(text)) : text
    case 'time':
      return comparableTime(text)
    case 'boolean':
      return { true: 't', false: 'f' }[text] ?? text
  }
}

/** Without zeros in front and at the end of the fraction: `-007.50` is `-7.5`, and `-0.0` is `0`. */
function comparableNumber(text: string): string {
  const [, sign = '', whole = '', fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(text) ?? []
  if (whole === '') return text
  const digits = whole.replace(/^0+(?=\d)/, '')
  const kept = fraction.replace(/0+$/, '')
  if (kept === '') return digits === '0' ? '0' : `${sign}${digits}`
  return `${sign}${digits}.${kept}`
}

/** Without zeros at the end of the fraction, and without the zone where it is UTC. */
function comparableTime(text: string): string {
  const [, time = '', fraction = ''] = /^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)(?:\.(\d+))?(?:\+00)?$/.exec(text) ?? []
  if (time === '') return text
  const kept = fraction.replace(/0+$/, '')
  return kept === '' ? time : `${time}.${kept}`
}
