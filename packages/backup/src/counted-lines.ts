/** Counts the lines of what goes through; a last one without an end is one. */
import { Transform } from 'node:stream'

const NEWLINE = 0x0a

export class CountedLines extends Transform {
  #lines = 0n
  #isCut = false

  constructor() {
    super({
      transform: (chunk: Buffer, _encoding, done) => {
        for (let at = chunk.indexOf(NEWLINE); at !== -1; at = chunk.indexOf(NEWLINE, at + 1)) this.#lines += 1n
        if (chunk.length > 0) this.#isCut = chunk.at(-1) !== NEWLINE
        done(null, chunk)
      },
    })
  }

  get lines(): bigint {
    return this.#lines + (this.#isCut ? 1n : 0n)
  }
}
