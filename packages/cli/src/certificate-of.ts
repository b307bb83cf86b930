/** Certificate authorities of a server's own, from a file that the environment names. */
import { readFileSync } from 'node:fs'
import { SluiceError } from '@sluice/core'
import type { Environment } from './deployment.ts'

/** PEM text; null where the variable is not set. @throws SluiceError SLU-1003 if the file can not be read */
export function certificateOf(environment: Environment, variable: string): string | null {
  const path = environment[variable]
  if (path === undefined || path === '') return null
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new SluiceError('CONFIG_INVALID', {
      what: `${variable} can not be used`,
      why: cause instanceof Error && 'code' in cause ? String(cause.code) : 'the file can not be read',
      ways: [`export ${variable}=/path/to/ca.pem`],
      cause,
    })
  }
}
