import { SluiceError } from '@sluice/core'

/** What a program that downloads or builds ended with. An address in its text may carry credentials. */
export function downloadFailed(what: string, error: unknown, ways: readonly string[]): SluiceError {
  const text = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : String(error)
  return new SluiceError('DOWNLOAD_FAILED', { what, why: text.replaceAll(/\w+:\/\/\S+/g, '<address>'), ways, cause: error })
}

export function isMissingProgram(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
