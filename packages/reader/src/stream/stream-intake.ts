/**
 * Takes what PostgreSQL sends and gives the assembler whole transactions in the order of their commits, whichever way they came.
 *
 *   flowing ──(a streamed transaction committed)──▶ replaying ──(its end, and what came meanwhile)──▶ flowing
 *      └──────(it has a doubtful message)──▶ halted ◀── stop
 *
 * I1  Flowing, a message is handled before `take` returns, or with the next one (I4). A streamed one is kept undecoded until its transaction commits.
 * I2  Replaying, the socket is to be paused (`isBusy`); what was in its buffer already is copied, and handled after the replay.
 * I3  A replay waits while the queue is full, and lets other work of the process run between two blocks.
 * I4  Of what has one LSN, logical messages are handled first (`WalOrder`); so the last change waits for what comes after it.
 * I5  Halted, everything is ignored: what was not handled is not acknowledged, and PostgreSQL sends it again.
 */
import { setImmediate as otherWork } from 'node:timers/promises'
import { type Lsn, SluiceError, faultPoint, formatLsn, lsnOf } from '@sluice/core'
import { type PgoutputMessage, type StreamCommitMessage, type UnknownMessage, createPgoutputDecoder } from '@sluice/pgoutput'
import type { BatchQueue } from '../lane/batch-queue.ts'
import type { SpooledTransaction } from '../spool/spooled-transaction.ts'
import type { TransactionAssembler } from '../assembly/transaction-assembler.ts'
import { WalOrder } from '../assembly/wal-order.ts'
import { WholeTransactions } from '../assembly/whole-transactions.ts'
import type { TransactionSpool } from '../spool/transaction-spool.ts'

export interface StreamIntakeOptions {
  readonly assembler: TransactionAssembler
  readonly queue: BatchQueue
  readonly spool: TransactionSpool
  /** Something may be there to write, or the intake is busy no longer. */
  readonly onWork: () => void
  /** A streamed transaction can't be told from the stream; it must be read whole, up to its end. */
  readonly onDoubtful: (endLsn: Lsn) => void
  /** A replay failed. */
  readonly onFailed: (error: unknown) => void
}

/** A message of a stretch. */
interface Streamed {
  readonly bytes: Buffer
  readonly xid: number | null
  readonly prefix: string | null
}

interface Waiting {
  readonly bytes: Buffer
  readonly walStart: string
}

export class StreamIntake {
  readonly #options: StreamIntakeOptions
  readonly #decoder = createPgoutputDecoder()
  readonly #whole: WholeTransactions
  readonly #streamed: WalOrder<Streamed>
  readonly #waiting: Waiting[] = []
  #isHalted = false
  #replay: Promise<void> | null = null
  #roomFreed: (() => void) | null = null

  constructor(options: StreamIntakeOptions) {
    this.#options = options
    this.#whole = new WholeTransactions((message, walStart) => {
      options.assembler.handle(message, walStart)
    })
    this.#streamed = new WalOrder(({ bytes, xid, prefix }) => {
      options.spool.add(bytes, xid, prefix)
    })
  }

  /** True while a streamed transaction is handed on: then nothing more is to be read. */
  get isBusy(): boolean {
    return this.#replay !== null || this.#isHalted
  }

  /** True if every commit that came so far was handed on. */
  get isBetweenCommits(): boolean {
    return !this.isBusy && !this.#options.assembler.isInCommit
  }

  /** @throws SluiceError SLU-2013, SLU-2040, SLU-2042, SLU-2043 */
  take(bytes: Buffer, walStart: string): void {
    if (this.#isHalted) return
    if (this.#replay) {
      this.#waiting.push({ bytes: Buffer.from(bytes), walStart })
      return
    }
    const committed = this.#handle(bytes, walStart)
    if (!committed) return
    this.#replay = this.#replayAll(committed).then(
      () => {
        this.#replay = null
        this.#options.onWork()
      },
      (error: unknown) => {
        this.#isHalted = true
        this.#options.onFailed(error)
      },
    )
  }

  /** A batch was taken out of the queue. */
  hasRoom(): void {
    const freed = this.#roomFreed
    this.#roomFreed = null
    freed?.()
  }

  /** Ends a replay where it stands; resolves when nothing of it runs any more. */
  async stop(): Promise<void> {
    this.#isHalted = true
    this.hasRoom()
    await this.#replay
  }

  /** Handles one message; gives the commit of a streamed transaction, which is to be replayed. */
  #handle(bytes: Buffer, walStart: string): StreamCommitMessage | null {
    const { spool } = this.#options
    const message = this.#decoder.decode(bytes)
    switch (message.kind) {
      case 'streamed': {
        const { xid, prefix } = message
        // A copy, since the next message may take the socket's memory.
        this.#streamed.add({ bytes: Buffer.from(bytes), xid, prefix }, walStart, prefix !== null)
        return null
      }
      case 'stream-start':
        spool.start(message)
        faultPoint('reader.spool-begun')
        return null
      case 'stream-stop':
        this.#streamed.flush()
        spool.stop()
        return null
      case 'stream-abort':
        spool.abort(message)
        return null
      case 'stream-commit':
        return message
      case 'unknown':
        this.#unknown(message, walStart)
        return null
      case 'begin-prepare':
      case 'prepare':
      case 'stream-prepare':
      case 'commit-prepared':
      case 'rollback-prepared':
        throw twoPhase(message)
      default:
        this.#whole.add(message, walStart)
        return null
    }
  }

  /** In a stretch it waits for the commit as all others do. Which sub-transaction it is of is not known. */
  #unknown(message: UnknownMessage, walStart: string): void {
    const { spool } = this.#options
    if (spool.isInStretch) {
      this.#streamed.flush()
      spool.add(message.bytes, null, null)
    } else this.#whole.add(message, walStart)
  }

  async #replayAll(first: StreamCommitMessage): Promise<void> {
    await this.#replayOne(first)
    for (let next = this.#waiting.shift(); next && !this.#isHalted; next = this.#waiting.shift()) {
      const committed = this.#handle(next.bytes, next.walStart)
      if (committed) await this.#replayOne(committed)
    }
  }

  async #replayOne(commit: StreamCommitMessage): Promise<void> {
    const { assembler, spool, onDoubtful } = this.#options
    const transaction = spool.committed(commit.xid)
    faultPoint('reader.spool-committed')
    if (transaction.isDoubtful) {
      this.#isHalted = true
      onDoubtful(lsnOf(commit.endLsn))
      return
    }
    const { commitLsn, endLsn, committedAtMicros, xid } = commit
    const walStart = formatLsn(lsnOf(commitLsn))
    assembler.handle({ kind: 'begin', commitLsn, committedAtMicros, xid }, walStart)
    await this.#replayBlocks(transaction, walStart)
    if (this.#isHalted) return
    assembler.handle({ kind: 'commit', commitLsn, endLsn, committedAtMicros }, walStart)
    spool.drop(xid)
    this.#options.onWork()
  }

  async #replayBlocks(transaction: SpooledTransaction, walStart: string): Promise<void> {
    const { assembler, queue, onWork } = this.#options
    for (const messages of transaction.blocks()) {
      for (const bytes of messages) {
        assembler.handle(this.#decoder.decodeStreamed(bytes), walStart)
        if (queue.isFull) {
          onWork()
          await this.#room()
        }
        if (this.#isHalted) return
      }
      await otherWork()
      if (this.#isHalted) return
    }
  }

  async #room(): Promise<void> {
    while (this.#options.queue.isFull && !this.#isHalted) {
      await new Promise<void>((resolve) => {
        this.#roomFreed = resolve
      })
    }
  }
}

function twoPhase({ kind }: PgoutputMessage): SluiceError {
  return new SluiceError('PROTOCOL_MESSAGE_INVALID', {
    what: 'PostgreSQL sends prepared transactions before they commit',
    why: `a message of kind ${kind} came, and the reader does not ask for two_phase: the slot was made with it`,
    ways: ['SELECT slot_name, two_phase FROM pg_replication_slots    shows it; only a new slot is without'],
  })
}
