/** One question to the health server of a running process of Sluice. */
import { SluiceError } from '@sluice/core'

const TIMEOUT_MS = 5_000

export interface ProcessAddress {
  readonly host: string
  readonly port: number
}

export interface ProcessAnswer {
  readonly url: string
  readonly status: number
  readonly body: unknown
}

/** @throws SluiceError SLU-7006 if nothing answers there */
export async function askProcess({ host, port }: ProcessAddress, path: 'livez' | 'readyz' | 'healthz'): Promise<ProcessAnswer> {
  const url = `http://${host}:${port}/${path}`
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(TIMEOUT_MS) })
    return { url, status: response.status, body: await response.json() }
  } catch (cause) {
    const reason = cause instanceof Error && cause.cause instanceof Error ? `: ${cause.cause.message}` : ''
    throw new SluiceError('PROCESS_UNREACHABLE', {
      what: `no process of Sluice answers at ${url}`,
      why: cause instanceof Error ? `${cause.message}${reason}` : String(cause),
      ways: ['sluice run … --health-port <port>    logs where it listens', 'sluice status'],
      cause,
    })
  }
}
