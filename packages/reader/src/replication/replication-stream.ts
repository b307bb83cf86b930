/**
 * The replication connection of a slot: messages come in, feedback goes out.
 *
 * States: opening → streaming ⇄ paused → closed. Anything that breaks it, a handler that throws included, ends it once with
 * one error through `onFailed`; after that nothing is delivered.
 *
 * R1  Feedback says `durableLsn()`, exactly, and nothing else ever does (the library's own acknowledgement is off).
 * R2  Feedback goes out on its own timer, whether reading is paused or not.
 * R3  No message is delivered after `onFailed` or `close`.
 */
import { type Lsn, type SluiceError, faultPoint, formatLsn, parseLsn, quoteIdentifier, quoteLiteral } from '@sluice/core'
import { type PostgresTarget, sessionConfig } from '@sluice/postgres'
import type pg from 'pg'
import { LogicalReplicationService } from 'pg-logical-replication'
import { replicationLost, toReplicationError } from './replication-error.ts'
import { type ReplicationWire, wireOf } from './replication-wire.ts'
import { statusFrame } from './status-frame.ts'
import { type StreamProtocol, protocolOptions } from './stream-protocol.ts'

/** Shortest time between two answers to keepalives that ask for one, unless there is news. A server that shuts down asks without end. */
const REPLY_INTERVAL_MS = 100

export interface ReplicationStreamOptions {
  readonly target: PostgresTarget
  readonly applicationName: string
  readonly slotName: string
  readonly publicationName: string
  /** Commits that begin before it are not sent. */
  readonly startLsn: Lsn
  readonly feedbackIntervalMs: number
  /** A server that says nothing for so long, though it was asked, is lost. */
  readonly silenceMs: number
  readonly durableLsn: () => Lsn
  /** What the server is asked for. */
  readonly protocol: StreamProtocol
  /**
   * Called with each message of the output plugin while its bytes are in pg's buffer; they must be decoded or copied before it
   * returns. `walStart` is the message's place in the WAL, as PostgreSQL writes LSNs. What it throws ends the stream.
   */
  readonly onMessage: (bytes: Buffer, walStart: string) => void
  /** Everything that committed before `walEnd` was sent. */
  readonly onKeepalive: (walEnd: Lsn) => void
  readonly onFeedback: (lsn: Lsn) => void
  readonly onFailed: (error: SluiceError) => void
}

export interface ReplicationStream {
  pause(): void
  resume(): void
  readonly isPaused: boolean
  /** Sends a last feedback and ends the connection. */
  close(): Promise<void>
}

/**
 * Starts to read a slot; resolves when the server began to stream.
 *
 * @throws SluiceError SLU-2020, SLU-2021, SLU-2023, SLU-2041 or one of `toPostgresError`
 */
export async function openReplicationStream(options: ReplicationStreamOptions): Promise<ReplicationStream> {
  const stream = new SlotStream(options)
  await stream.open()
  return stream
}

class SlotStream implements ReplicationStream {
  readonly #options: ReplicationStreamOptions
  readonly #service: LogicalReplicationService
  #wire: ReplicationWire | null = null
  #timer: NodeJS.Timeout | null = null
  #isEnded = false
  #isPaused = false
  /** Times of `performance.now`: the clock of the machine may step. */
  #heardAt = performance.now()
  #repliedAt = Number.NEGATIVE_INFINITY
  #saidLsn: Lsn | null = null

  constructor(options: ReplicationStreamOptions) {
    this.#options = options
    const config = sessionConfig(options.target, { applicationName: options.applicationName })
    // Nothing on the search path, as in the load's session: names of tables and types in values have their schema.
    const withoutPath = { ...config, options: `${config.options ?? ''} -c search_path=` }
    this.#service = new LogicalReplicationService(withoutPath, {
      acknowledge: { auto: false, timeoutSeconds: 0 },
      flowControl: { enabled: false },
    })
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  async open(): Promise<void> {
    const service = this.#service
    service.on('heartbeat', (walEnd, _timestamp, asksReply) => {
      this.#keepalive(parseLsn(walEnd), asksReply)
    })
    service.on('data', (walStart, bytes: Buffer) => {
      this.#message(bytes, walStart)
    })
    const started = new Promise<void>((resolve, reject) => {
      service.on('start', resolve)
      service.on('error', (error) => {
        reject(error)
        this.#fail(error)
      })
      service.subscribe(this.#plugin(), this.#options.slotName, formatLsn(this.#options.startLsn)).then(
        () => {
          this.#fail(replicationLost(this.#options.target, 'the server ended the stream'))
        },
        (error: unknown) => {
          reject(error instanceof Error ? error : new Error(String(error)))
          this.#fail(error)
        },
      )
    })
    try {
      await started
    } catch (error) {
      this.#isEnded = true
      await service.stop()
      throw this.#toError(error)
    }
    this.#timer = setInterval(() => {
      this.#tick()
    }, this.#options.feedbackIntervalMs)
  }

  pause(): void {
    if (this.#isPaused) return
    this.#isPaused = true
    this.#wire?.pause()
  }

  resume(): void {
    if (!this.#isPaused) return
    this.#isPaused = false
    this.#heardAt = performance.now()
    this.#wire?.resume()
  }

  async close(): Promise<void> {
    if (this.#timer) clearInterval(this.#timer)
    if (!this.#isEnded) this.#feedback(false)
    this.#isEnded = true
    // Of a stream that failed pg waits for the server to close the connection, which a paused socket would never tell.
    this.#wire?.resume()
    await this.#service.stop()
  }

  /** The library's output plugin; it satisfies the type of its abstract class, which is not exported. */
  #plugin(): Parameters<LogicalReplicationService['subscribe']>[0] {
    const { publicationName, protocol } = this.#options
    const publication = quoteLiteral(quoteIdentifier(publicationName))
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- the class can not be extended
    return {
      name: 'pgoutput',
      options: undefined,
      start: (client: pg.Client, slotName: string, lsn: string) => {
        this.#wire = wireOf(client)
        return client.query(
          `START_REPLICATION SLOT ${quoteIdentifier(slotName)} LOGICAL ${lsn} ` +
            `(${protocolOptions(protocol)}, publication_names ${publication}, messages 'true')`,
        )
      },
      // The bytes go to the listener of `data` as they are, which is called with their place at once.
      parse: (bytes: Buffer) => bytes,
    }
  }

  /** Never throws: an exception here would escape into pg's socket and end the process. */
  #message(bytes: Buffer, walStart: string): void {
    if (this.#isEnded) return
    this.#heardAt = performance.now()
    try {
      this.#options.onMessage(bytes, walStart)
    } catch (error) {
      this.#fail(error)
    }
  }

  #keepalive(walEnd: Lsn, asksReply: boolean): void {
    if (this.#isEnded) return
    this.#heardAt = performance.now()
    try {
      this.#options.onKeepalive(walEnd)
      const hasNews = this.#saidLsn !== this.#options.durableLsn()
      if (asksReply && (hasNews || performance.now() - this.#repliedAt >= REPLY_INTERVAL_MS)) this.#feedback(false)
    } catch (error) {
      this.#fail(error)
    }
  }

  #tick(): void {
    if (this.#isEnded) return
    const silentMs = this.#isPaused ? 0 : performance.now() - this.#heardAt
    if (silentMs > this.#options.silenceMs) {
      this.#fail(replicationLost(this.#options.target, `the server said nothing for ${Math.round(silentMs / 1000)} s`))
      return
    }
    this.#feedback(silentMs > this.#options.silenceMs / 3)
  }

  #feedback(asksReply: boolean): void {
    const lsn = this.#options.durableLsn()
    this.#repliedAt = performance.now()
    this.#saidLsn = lsn
    faultPoint('reader.before-feedback')
    this.#wire?.send(statusFrame(lsn, Date.now(), asksReply))
    faultPoint('reader.after-feedback')
    this.#options.onFeedback(lsn)
  }

  #fail(error: unknown): void {
    if (this.#isEnded) return
    this.#isEnded = true
    if (this.#timer) clearInterval(this.#timer)
    this.#wire?.pause()
    this.#options.onFailed(this.#toError(error))
  }

  #toError(error: unknown): SluiceError {
    const { target, slotName, protocol } = this.#options
    return toReplicationError(error, target, { slotName, isStreaming: protocol.isStreaming })
  }
}
