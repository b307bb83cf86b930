/**
 * What pg_dump and pg_restore write to stderr: progress, and errors. Of an error only the line that says it is kept: those below it,
 * with DETAIL, CONTEXT and the statement, carry values of rows.
 */

/** Bytes of a line that has not ended; the rest of a longer one, which is a statement, is dropped. */
const LINE_BYTES_MAX = 64 * 1024
const ERRORS_MAX = 5

export class ToolMessages {
  readonly #onTable: () => void
  readonly #errors: string[] = []
  #rest = ''

  /** @param onTable called for every table whose rows are begun */
  constructor(onTable: () => void) {
    this.#onTable = onTable
  }

  /** The first errors, without values; empty if there were none. */
  get errors(): readonly string[] {
    return this.#errors
  }

  take(chunk: string): void {
    const lines = (this.#rest + chunk).split('\n')
    this.#rest = lines.pop()!.slice(0, LINE_BYTES_MAX)
    for (const line of lines) this.#takeLine(line)
  }

  #takeLine(line: string): void {
    if (/^pg_\w+: (dumping contents of table|processing data for table) /.test(line)) this.#onTable()
    const error = /^pg_\w+: (?:error|detail: Error message from server|fatal): (.*)$/.exec(line)?.[1]
    if (error !== undefined && this.#errors.length < ERRORS_MAX) this.#errors.push(withoutValues(error))
  }
}

/**
 * PostgreSQL quotes a name in the middle of a message and a value at its end, behind a colon. The message of a COPY that failed is
 * about a value in any case: the table is enough.
 */
function withoutValues(message: string): string {
  const copied = /^COPY failed for table "[^"]*"/.exec(message)
  return copied?.[0] ?? message.replace(/: ".*$/, ': …')
}
