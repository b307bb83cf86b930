/** The one place that reaches below pg's public interface: the socket of a connection in replication mode. */
import type { Duplex } from 'node:stream'
import type pg from 'pg'

export interface ReplicationWire {
  /** Stops reading; TCP then holds the server back. */
  pause(): void
  resume(): void
  /** Sends a frame to the server inside of the copy stream; also while reading is paused. */
  send(frame: Buffer): void
}

interface CopySender {
  readonly stream: Duplex
  sendCopyFromChunk(chunk: Buffer): void
}

function isCopySender(connection: object): connection is CopySender {
  return 'sendCopyFromChunk' in connection && typeof connection.sendCopyFromChunk === 'function' && 'stream' in connection
}

/** @throws TypeError if pg no longer is what it was. */
export function wireOf(client: pg.Client): ReplicationWire {
  const { connection } = client
  if (!isCopySender(connection)) throw new TypeError('pg.Client has no connection that can send copy data')
  return {
    pause: () => connection.stream.pause(),
    resume: () => connection.stream.resume(),
    send: (frame) => {
      if (connection.stream.writable) connection.sendCopyFromChunk(frame)
    },
  }
}
