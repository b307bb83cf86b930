/** The version of the protocol that the server is asked for, and whether it may send transactions before they commit. */
import type { ClientBase } from 'pg'

export interface StreamProtocol {
  /** 1 to 4. */
  readonly version: number
  /** Large transactions come in stretches while they run; else PostgreSQL keeps them until they commit. */
  readonly isStreaming: boolean
}

/** Transactions whole, in the order of their commits; every server has it. */
export const WHOLE_TRANSACTIONS: StreamProtocol = { version: 1, isStreaming: false }

/** First server version of each protocol version, newest first. */
const SINCE = [
  [160_000, 4],
  [150_000, 3],
  [140_000, 2],
] as const

/** The highest version that the server has. */
export async function streamingProtocol(client: ClientBase): Promise<StreamProtocol> {
  const { rows } = await client.query<{ version: number }>(`SELECT current_setting('server_version_num')::integer AS version`)
  const found = SINCE.find(([since]) => rows[0]!.version >= since)
  return found ? { version: found[1], isStreaming: true } : WHOLE_TRANSACTIONS
}

/** https://www.postgresql.org/docs/18/protocol-logical-replication.html */
export function protocolOptions({ version, isStreaming }: StreamProtocol): string {
  return `proto_version '${version}'${isStreaming ? `, streaming 'on'` : ''}`
}
