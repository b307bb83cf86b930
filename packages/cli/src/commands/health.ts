/** `sluice health`: an exec probe. Asks /readyz (or /livez) of a process on this machine and answers by exit code. */
import { SluiceError } from '@sluice/core'
import { z } from 'zod'
import type { CommandImplementation } from '../command.ts'

const Options = z.object({ healthHost: z.string(), healthPort: z.number(), live: z.boolean() })
const TIMEOUT_MS = 5_000

export const health: CommandImplementation = async (_context, { options }) => {
  const { healthHost, healthPort, live } = Options.parse(options)
  const url = `http://${healthHost}:${healthPort}/${live ? 'livez' : 'readyz'}`
  const { status, body } = await ask(url)
  const isOk = status === 200
  return {
    summary: isOk ? `${url} answers 200` : '',
    result: body,
    text: JSON.stringify(body),
    ...(isOk ? {} : { verdict: notReady(url, status) }),
  }
}

async function ask(url: string): Promise<{ status: number; body: unknown }> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) })
    return { status: response.status, body: await response.json() }
  } catch (cause) {
    throw new SluiceError('PROCESS_UNREACHABLE', {
      what: `no process of Sluice answers at ${url}`,
      why:
        cause instanceof Error
          ? `${cause.message}${cause.cause instanceof Error ? `: ${cause.cause.message}` : ''}`
          : String(cause),
      ways: ['sluice run … --health-port <port>    logs where it listens', 'sluice status'],
      cause,
    })
  }
}

function notReady(url: string, status: number): SluiceError {
  return new SluiceError('PROCESS_NOT_READY', {
    what: 'the process is not ready',
    why: `${url} answers ${status}`,
    ways: [`curl ${url.replace(/\/\w+$/, '/healthz')}`],
  })
}
