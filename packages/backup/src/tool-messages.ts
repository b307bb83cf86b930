/**
 * What pg_dump and pg_restore write to stderr: progress, and errors. Of an error only the line that says it is kept: those below it,
 * with DETAIL, CONTEXT and the statement, carry values of rows.
 */

/** Bytes of a line that has not ended; the rest of a longer one, which is a statement, is dropped. */
const LINE_BYTES_MAX = 64 * 1024
const ERRORS_MAX = 5

/** What a program says that it begins: the rows of a table (`public.orders`), or an index, key or foreign key. */
export type ToolStep = { readonly kind: 'rows'; readonly table: string } | { readonly kind: 'index' }

export class ToolMessages {
  readonly #onStep: (step: ToolStep) => void
  readonly #errors: string[] = []
  #rest = ''

  constructor(onStep: (step: ToolStep) => void) {
    this.#onStep = onStep
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
    const table = /^pg_\w+: (?:dumping contents of table|processing data for table) "(.*)"$/.exec(line)?.[1]
    if (table !== undefined) this.#onStep({ kind: 'rows', table })
    if (/^pg_\w+: creating (?:INDEX|CONSTRAINT|FK CONSTRAINT) "/.test(line)) this.#onStep({ kind: 'index' })
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
