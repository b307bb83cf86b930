/**
 * PostgreSQL's text of a one-dimensional `text[]`, read and written as PostgreSQL writes it.
 *
 * https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
 */

/** @returns the elements; null where one is NULL, or the array has more than one dimension or bounds of its own */
export function textArrayElements(text: string): readonly string[] | null {
  if (text === '{}') return []
  if (!text.startsWith('{') || !text.endsWith('}')) return null
  const elements: string[] = []
  const element = /"((?:[^"\\]|\\.)*)"|([^",{}\\]+)/sy
  let at = 1
  for (;;) {
    element.lastIndex = at
    const found = element.exec(text)
    if (found === null || found[2]?.toUpperCase() === 'NULL') return null
    elements.push(found[2] ?? (found[1] ?? '').replace(/\\(.)/gs, '$1'))
    at = element.lastIndex
    if (text[at] !== ',') return at === text.length - 1 ? elements : null
    at += 1
  }
}

export function textArrayOf(elements: readonly string[]): string {
  return `{${elements.map(quoted).join(',')}}`
}

/** What `array_out` quotes: the empty text, the word NULL, and what has a character that means something. */
function quoted(element: string): string {
  const needsQuotes = element === '' || element.toUpperCase() === 'NULL' || /[{}",\\ \t\n\r\v\f]/.test(element)
  return needsQuotes ? `"${element.replace(/["\\]/g, '\\$&')}"` : element
}
