/**
 * Progress on stderr: one line a phase. On a terminal the running line is rewritten, ten times a second at most; elsewhere
 * a line is printed when a phase begins or ends, and one each 10 s between.
 */
import type { Style, StyledStream } from './glyphs.ts'
import { formatSeconds } from './table.ts'

const TERMINAL_INTERVAL_MS = 100
const PLAIN_INTERVAL_MS = 10_000

export interface Phase {
  /** Tells how far it is; shown as often as the stream allows. */
  update(text: string): void
  /** Ends the phase with what it came to. */
  done(text?: string): void
  failed(text?: string): void
}

export interface Progress {
  phase(title: string): Phase
}

/** Adds how long it will still take, where that can be told. */
export function timeLeft(text: string, seconds: number | null): string {
  if (seconds === null) return text
  return [...(text === '' ? [] : [text]), `about ${formatSeconds(seconds)} left`].join(', ')
}

export interface ProgressOptions {
  readonly stream: StyledStream
  readonly style: Style
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number
  /** True under `--json` off a terminal: nothing is shown but what fails. */
  readonly isSilent: boolean
}

export function createProgress(options: ProgressOptions): Progress {
  const { stream, style, now, isSilent } = options
  const isTerminal = stream.isTTY === true
  const intervalMs = isTerminal ? TERMINAL_INTERVAL_MS : PLAIN_INTERVAL_MS
  const write = (text: string): void => {
    if (!isSilent) stream.write(text)
  }
  return {
    phase(title) {
      let shownAt = now()
      write(isTerminal ? `${style.dot} ${title}` : `${style.dot} ${title}\n`)
      const show = (glyph: string, text: string, end: string): void => {
        const line = `${glyph} ${title}${text === '' ? '' : `  ${text}`}`
        write(isTerminal ? `\r\u001B[2K${line}${end}` : `${line}\n`)
      }
      return {
        update(text) {
          if (now() - shownAt < intervalMs) return
          shownAt = now()
          show(style.dot, text, '')
        },
        done: (text = '') => show(style.ok, text, '\n'),
        failed: (text = '') => show(style.paint('broken', style.failed), text, '\n'),
      }
    },
  }
}
