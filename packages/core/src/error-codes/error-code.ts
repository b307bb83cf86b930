/**
 * What belongs to an error code. The number is stable for ever: users search for it.
 *
 * `exit` is the process's exit code: 1 unexpected, 2 usage or configuration, 3 environment, 4 the verdict is no,
 * 5 refused until confirmed.
 * `retry` is what a running engine does: `never` stops it at once with the error, `backoff` tries the same again with
 * growing delays, `restart` closes what it holds and begins again from its stored position.
 */
export interface ErrorCode {
  readonly number: `SLU-${number}`
  readonly exit: 1 | 2 | 3 | 4 | 5
  readonly retry: 'never' | 'backoff' | 'restart'
  /** One sentence for the reference page: when it happens. */
  readonly meaning: string
}
