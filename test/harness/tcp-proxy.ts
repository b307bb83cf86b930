/**
 * A TCP proxy in front of a server, for faults of the connection.
 *
 *   passing ⇄ stalled (connections stay, nothing moves) | delayed (each piece waits) | refusing (connections are reset at once)
 *
 * Memory: a piece at a time and direction; who sends faster than the other side takes is held back by TCP.
 */
import { type AddressInfo, type Server, Socket, connect, createServer } from 'node:net'
import { Transform, type TransformCallback } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setTimeout as delay } from 'node:timers/promises'

export class TcpProxy implements AsyncDisposable {
  readonly #server: Server
  readonly #connections = new Set<Socket>()
  #open = Promise.withResolvers<undefined>()
  #isStalled = false
  #delayMs = 0
  #isRefusing = false

  private constructor(target: { readonly host: string; readonly port: number }) {
    this.#open.resolve(undefined)
    this.#server = createServer({ allowHalfOpen: true }, (client) => {
      // A client that is reset at once, or a server that is away: the other side learns it by a reset too.
      client.on('error', () => undefined)
      if (this.#isRefusing) client.resetAndDestroy()
      else this.#join(client, target)
    })
  }

  static async start(target: { readonly host: string; readonly port: number }): Promise<TcpProxy> {
    const proxy = new TcpProxy(target)
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject)
      proxy.#server.listen(0, '127.0.0.1', resolve)
    })
    return proxy
  }

  get port(): number {
    const address: AddressInfo | string | null = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen')
    return address.port
  }

  get connections(): number {
    return this.#connections.size
  }

  /** Resets every connection; new ones are taken. */
  cut(): void {
    for (const socket of this.#connections) socket.resetAndDestroy()
    this.#connections.clear()
  }

  /** Keeps the connections and lets nothing through. */
  stall(): void {
    if (this.#isStalled) return
    this.#isStalled = true
    this.#open = Promise.withResolvers()
  }

  /** Every piece, of 64 KiB at most, waits so long: a slow line. */
  delay(ms: number): void {
    this.#delayMs = ms
  }

  /** Cuts, and resets whoever comes. */
  refuse(): void {
    this.#isRefusing = true
    this.cut()
  }

  /** Everything as it was. */
  pass(): void {
    this.#isRefusing = false
    this.#isStalled = false
    this.#delayMs = 0
    this.#open.resolve(undefined)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.pass()
    this.cut()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  #join(client: Socket, target: { readonly host: string; readonly port: number }): void {
    const server = connect({ ...target, allowHalfOpen: true, noDelay: true })
    client.setNoDelay(true)
    for (const socket of [client, server]) {
      this.#connections.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => this.#connections.delete(socket))
    }
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      pipeline(from, this.#gate(), to).catch(() => {
        from.resetAndDestroy()
        to.resetAndDestroy()
      })
    }
  }

  #gate(): Transform {
    return new Transform({
      transform: (piece: Buffer, _encoding: BufferEncoding, done: TransformCallback) => {
        this.#passed().then(
          () => done(null, piece),
          (error: unknown) => done(error instanceof Error ? error : new Error(String(error))),
        )
      },
    })
  }

  async #passed(): Promise<void> {
    await this.#open.promise
    if (this.#delayMs > 0) await delay(this.#delayMs)
  }
}
