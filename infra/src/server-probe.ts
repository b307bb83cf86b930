/** Signs of life of each kind of server, in its own protocol. */
import { silentLogger } from '@sluice/core'
import { createKafka } from '@sluice/kafka'
import pg from 'pg'
import type { ServerName } from './server-settings.ts'

/** Asks the server for a sign of life; rejects while there is none. */
export type Probe = () => Promise<void>

const TIMEOUT_MS = 5_000

export function probeOf(name: ServerName, url: string): Probe {
  if (name === 'kafka') return () => probeKafka(url)
  return name === 'registry' ? () => probeRegistry(url) : () => probePostgres(url)
}

/** Connects, which a server that still recovers refuses. */
async function probePostgres(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: TIMEOUT_MS })
  // The rejection of connect says the same.
  client.on('error', () => undefined)
  try {
    await client.connect()
  } finally {
    await client.end()
  }
}

/** Asks for the cluster: a broker that answers it has joined its controller. */
async function probeKafka(brokers: string): Promise<void> {
  const admin = await createKafka({ brokers: brokers.split(','), clientId: 'sluice-infra', logger: silentLogger }).admin()
  try {
    const cluster = await admin.cluster()
    if (cluster.brokers === 0) throw new Error('the cluster has no broker yet')
  } finally {
    await admin.close()
  }
}

/** Asks for the subjects through the compatible API. */
async function probeRegistry(url: string): Promise<void> {
  const response = await fetch(`${url}/subjects`, { signal: AbortSignal.timeout(TIMEOUT_MS) })
  await response.body?.cancel()
  if (!response.ok) throw new Error(`status ${response.status}`)
}
