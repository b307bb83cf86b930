/** `sluice health`: an exec probe. Asks /readyz (or /livez) of a process on this machine and answers by exit code. */
import { SluiceError } from '@sluice/core'
import { z } from 'zod'
import { askProcess } from '../ask-process.ts'
import type { CommandImplementation } from '../command.ts'

const Options = z.object({ healthHost: z.string(), healthPort: z.number(), live: z.boolean() })

export const health: CommandImplementation = async (_context, { options }) => {
  const { healthHost, healthPort, live } = Options.parse(options)
  const { url, status, body } = await askProcess({ host: healthHost, port: healthPort }, live ? 'livez' : 'readyz')
  const isOk = status === 200
  return {
    summary: isOk ? `${url} answers 200` : '',
    result: body,
    text: JSON.stringify(body),
    ...(isOk ? {} : { verdict: notReady(url, status) }),
  }
}

function notReady(url: string, status: number): SluiceError {
  return new SluiceError('PROCESS_NOT_READY', {
    what: 'the process is not ready',
    why: `${url} answers ${status}`,
    ways: [`curl ${url.replace(/\/\w+$/, '/healthz')}`],
  })
}
