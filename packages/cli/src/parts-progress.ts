/** The running line of work that has several parts of about one size: databases, services. */
import { TimeLeft } from '@sluice/core'
import { timeLeft } from './progress.ts'

/**
 * @param now Milliseconds of a clock that never goes back.
 * @returns the text of a line: what it is at, how many parts are done, and how long the rest takes, as things go
 */
export function partsLine(now?: () => number): (what: string, done: number, of: number) => string {
  const left = new TimeLeft(now)
  return (what, done, of) => timeLeft(of > 1 ? `${what}, ${done} of ${of} done` : what, left.seconds(done, of))
}
