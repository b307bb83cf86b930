/** `sluice explain <code>`: what the reference page says about an error code. */
import { ERROR_CODES, SluiceError } from '@sluice/core'
import type { CommandImplementation } from '../command.ts'
import { EXIT_MEANING, RETRY_MEANING } from '../error-reference.ts'

export const explain: CommandImplementation = async (_context, { args }) => {
  const asked = (args[0] ?? '').toUpperCase()
  const found = Object.entries(ERROR_CODES).find(([name, code]) => code.number === asked || name === asked)
  if (!found) {
    throw new SluiceError('USAGE', {
      what: `there is no error code "${args[0] ?? ''}"`,
      why: `codes are SLU-1001 to ${Object.values(ERROR_CODES).at(-1)?.number ?? ''}; docs/reference/errors.md lists them`,
      ways: ['sluice explain SLU-2020'],
    })
  }
  const [name, code] = found
  return {
    summary: '',
    result: { code: code.number, name, meaning: code.meaning, exit: code.exit, retry: code.retry },
    text: [
      `${code.number}  ${name}`,
      '',
      code.meaning,
      '',
      `A command ends with exit code ${code.exit}: ${EXIT_MEANING[code.exit]}.`,
      RETRY_MEANING[code.retry],
    ].join('\n'),
  }
}
