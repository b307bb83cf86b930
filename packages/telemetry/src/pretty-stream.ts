/** Log lines for people: `14:02:11 info  relay  message  field=value`. Colour only where the terminal takes it. */
import { styleText } from 'node:util'
import type { DestinationStream } from 'pino'

const HIDDEN_FIELDS = new Set(['level', 'time', 'role', 'message', 'component'])

export function prettyStream(sink: DestinationStream): DestinationStream {
  return { write: (line) => sink.write(prettyLine(line)) }
}

/** One JSON line as text; a line that is not JSON passes as it is. */
export function prettyLine(line: string): string {
  const fields = parseLine(line)
  if (fields === null) return line
  const level = textOf(fields['level'])
  const rest = Object.entries(fields).flatMap(([name, value]) => (HIDDEN_FIELDS.has(name) ? [] : [`${name}=${textOf(value)}`]))
  const who = [fields['role'], fields['component']].filter((part) => part !== undefined).map(textOf)
  return `${[textOf(fields['time']).slice(11, 19), colour(level), who.join('/'), textOf(fields['message']), dim(rest.join(' '))].filter(Boolean).join('  ')}\n`
}

function parseLine(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}

function textOf(value: unknown): string {
  if (value === undefined) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function colour(level: string): string {
  const text = level.padEnd(5)
  if (level === 'error') return styleText('red', text, { stream: process.stderr })
  if (level === 'warn') return styleText('yellow', text, { stream: process.stderr })
  return text
}

function dim(text: string): string {
  return text === '' ? '' : styleText('dim', text, { stream: process.stderr })
}
