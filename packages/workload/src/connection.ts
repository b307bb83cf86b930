/** The workload's connection: what tells that it broke, and opening it again. */
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'

const RETRY_DELAY_MS = 200

const SOCKET_FAULTS = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'])

/** True if the connection is gone, whatever the statement was. */
export function isConnectionLost(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isConnectionLost)
  if (!(error instanceof Error)) return false
  // 08: connection exceptions; 57P01 to 57P03: the server shuts down, crashed, or starts.
  if (error instanceof pg.DatabaseError) return /^(08|57P0[1-3])/.test(error.code ?? '')
  if ('code' in error && typeof error.code === 'string' && SOCKET_FAULTS.has(error.code)) return true
  return /^(Connection terminated|Client has encountered a connection error|timeout expired|Client was closed)/.test(
    error.message,
  )
}

/**
 * Opens a connection, trying again while the server is away.
 *
 * @returns null if the signal aborted first
 * @throws the last error, if the server is away for longer than `timeoutMs` or refuses for another reason
 */
export async function connectUntil(url: string, timeoutMs: number, signal: AbortSignal): Promise<pg.Client | null> {
  const deadline = performance.now() + timeoutMs
  while (!signal.aborted) {
    const client = new pg.Client({
      connectionString: url,
      application_name: 'sluice workload',
      connectionTimeoutMillis: 10_000,
    })
    // The query that meets the broken connection rejects and says so.
    client.on('error', () => undefined)
    try {
      await client.connect()
      return client
    } catch (error) {
      if (!isConnectionLost(error) || performance.now() > deadline) throw error
    }
    await pause(RETRY_DELAY_MS, signal)
  }
  return null
}

/** Resolves after a time, or when the signal aborts. */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  await delay(milliseconds, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error
  })
}
