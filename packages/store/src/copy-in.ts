/**
 * A COPY FROM STDIN whose data goes out behind its command at once, without waiting for the server's word: for a small batch
 * command, data and end are one write and one round trip. (pg-copy-streams makes eight writes of it; on the way from commit
 * to service they were the largest part of the writer's processor time.)
 *
 * If the server refuses the command it drops the data that follows, as the protocol says:
 * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-COPY
 *
 *   sending ──pieces at an end──▶ done sent ──ReadyForQuery──▶ resolved
 *      └──a piece threw──▶ fail sent ──ErrorResponse──▶ rejected with what was thrown
 *   any state ──ErrorResponse, connection lost──▶ rejected
 *
 * Holds two pieces at most: one in the socket's buffer, and the one that is being made.
 */
import type { ClientBase, Connection, Submittable } from 'pg'

const COPY_DATA = 0x64
const COPY_DONE = 0x63
const COPY_FAIL = 0x66
const NOTHING = Buffer.alloc(0)

interface CopyMessage {
  readonly type: number
  readonly body: Buffer
}

/** @throws what PostgreSQL answered, or what making the pieces threw. */
export async function copyIn(client: ClientBase, command: string, pieces: Iterable<Buffer>): Promise<void> {
  const copy = new CopyIn(command, pieces[Symbol.iterator]())
  client.query(copy)
  await copy.finished
}

class CopyIn implements Submittable {
  readonly finished: Promise<void>
  readonly #command: string
  readonly #pieces: Iterator<Buffer>
  readonly #resolve: () => void
  readonly #reject: (error: unknown) => void
  #isSending = true
  #thrown: { readonly error: unknown } | null = null

  constructor(command: string, pieces: Iterator<Buffer>) {
    const { promise, resolve, reject } = Promise.withResolvers<undefined>()
    this.finished = promise
    this.#resolve = () => resolve(undefined)
    this.#reject = reject
    this.#command = command
    this.#pieces = pieces
  }

  submit(connection: Connection): void {
    connection.stream.cork()
    connection.query(this.#command)
    this.#send(connection)
    connection.stream.uncork()
  }

  /** Called by the client; the data is on its way already. */
  handleCopyInResponse(): void {
    return
  }

  handleCommandComplete(): void {
    return
  }

  handleReadyForQuery(): void {
    this.#resolve()
  }

  handleError(error: unknown): void {
    this.#isSending = false
    this.#reject(this.#thrown ? this.#thrown.error : error)
  }

  #send(connection: Connection): void {
    const { stream } = connection
    let isRoom = true
    while (isRoom) {
      const next = this.#next()
      if (next === null) return
      stream.cork()
      stream.write(frame(next))
      isRoom = stream.write(next.body)
      stream.uncork()
    }
    stream.once('drain', () => this.#send(connection))
  }

  /** The next piece as a message; the end, or the refusal to go on, after the last; null when there is nothing to send. */
  #next(): CopyMessage | null {
    if (!this.#isSending) return null
    try {
      const next = this.#pieces.next()
      if (next.done !== true) return { type: COPY_DATA, body: next.value }
      this.#isSending = false
      return { type: COPY_DONE, body: NOTHING }
    } catch (error) {
      this.#isSending = false
      this.#thrown = { error }
      return { type: COPY_FAIL, body: Buffer.from('the batch could not be encoded\0') }
    }
  }
}

/** Type and length, which go before a message's body. */
function frame(message: CopyMessage): Buffer {
  const bytes = Buffer.allocUnsafe(5)
  bytes[0] = message.type
  bytes.writeUInt32BE(4 + message.body.length, 1)
  return bytes
}
