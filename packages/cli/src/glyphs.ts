/** The four glyphs and four colours of the terminal; ASCII and no colour where the stream is none or NO_COLOR is set. */
import { styleText } from 'node:util'

export type Tone = 'broken' | 'attention' | 'good' | 'dim'

const COLOURS = { broken: 'red', attention: 'yellow', good: 'green', dim: 'dim' } as const

export interface Style {
  readonly ok: string
  readonly warning: string
  readonly failed: string
  readonly dot: string
  paint(tone: Tone, text: string): string
}

/** The part of a stream that decides. */
export interface StyledStream extends NodeJS.WritableStream {
  readonly isTTY?: boolean
}

export function styleOf(stream: StyledStream, environment: Readonly<Record<string, string | undefined>>): Style {
  const isPlain = stream.isTTY !== true || (environment['NO_COLOR'] ?? '') !== ''
  if (isPlain) return { ok: 'ok', warning: '!', failed: 'x', dot: '.', paint: (_tone, text) => text }
  return {
    ok: '✓',
    warning: '!',
    failed: '✗',
    dot: '·',
    paint: (tone, text) => styleText(COLOURS[tone], text, { validateStream: false }),
  }
}
