/**
 * The kept messages of one transaction in progress: appended, cut at the end where a sub-transaction was rolled back, and read
 * back once, in order.
 *
 *   memory    the block that is being filled
 *   disk      full blocks, encrypted; the file is made with the first of them, so a small transaction never has one
 *
 * F1  A place is a count of the bytes that were kept before, not a place on disk. Messages are cut only where one begins.
 * F2  A message lies in one block whole. A cut leaves its block as it is, and notes how much of it still counts: nothing is
 *     ever written under a nonce that was used.
 */
import { closeSync, ftruncateSync, readSync, writeSync } from 'node:fs'
import { isSluiceError } from '@sluice/core'
import { spoolUnusable, toSpoolError } from './spool-error.ts'
import type { SpoolSpace } from './spool-space.ts'

/** A block that holds so many bytes is written. */
export const BLOCK_BYTES = 256 * 1024
const FIRST_BUFFER_BYTES = 4 * 1024
/** The length in front of each message. */
const LENGTH_BYTES = 4

/** A block on disk. */
interface Block {
  /** Place of its first byte. */
  readonly start: number
  /** Bytes of it that still count. */
  kept: number
  /** Where it lies in the file, and its encrypted size. */
  readonly offset: number
  readonly size: number
}

export class SpoolFile {
  readonly #space: SpoolSpace
  readonly #blocks: Block[] = []
  #file: number | null = null
  #fileBytes = 0
  #buffer: Buffer = Buffer.alloc(0)
  #buffered = 0
  /** Place of the buffer's first byte. */
  #bufferStart = 0

  constructor(space: SpoolSpace) {
    this.#space = space
  }

  /** The place after the last message. */
  get end(): number {
    return this.#bufferStart + this.#buffered
  }

  /** Bytes that are in memory. */
  get bufferedBytes(): number {
    return this.#buffer.length
  }

  /** Keeps a copy. @throws SluiceError SLU-2042, SLU-2043 */
  append(message: Buffer): void {
    const size = LENGTH_BYTES + message.length
    if (this.#buffered > 0 && this.#buffered + size > BLOCK_BYTES) this.#flush()
    this.#makeRoom(this.#buffered + size)
    this.#buffer.writeUInt32BE(message.length, this.#buffered)
    message.copy(this.#buffer, this.#buffered + LENGTH_BYTES)
    this.#buffered += size
  }

  /** Drops everything from a place on, and gives the disk's space back. */
  cut(place: number): void {
    if (place >= this.end) return
    if (place >= this.#bufferStart) {
      this.#buffered = place - this.#bufferStart
      return
    }
    let last = this.#blocks.at(-1)
    while (last && last.start >= place) {
      this.#blocks.pop()
      last = this.#blocks.at(-1)
    }
    if (last) last.kept = Math.min(last.kept, place - last.start)
    this.#shrinkTo(last ? last.offset + last.size : 0)
    this.#bufferStart = place
    this.#buffered = 0
  }

  /** Writes what is in memory and gives the memory back. @throws SluiceError SLU-2042, SLU-2043 */
  release(): void {
    this.#flush()
    this.#buffer = Buffer.alloc(0)
  }

  /** The messages, a block at a time. They lie in memory that the next block does not use. */
  *blocks(): Generator<readonly Buffer[], void> {
    for (const block of this.#blocks) yield messagesOf(this.#read(block).subarray(0, block.kept))
    if (this.#buffered > 0) yield messagesOf(this.#buffer.subarray(0, this.#buffered))
  }

  /** Forgets everything. */
  close(): void {
    this.#space.give(this.#fileBytes)
    this.#fileBytes = 0
    this.#blocks.length = 0
    this.#buffer = Buffer.alloc(0)
    this.#buffered = 0
    if (this.#file !== null) closeSync(this.#file)
    this.#file = null
  }

  /** Writes what is in memory; the memory is used again. */
  #flush(): void {
    if (this.#buffered > 0) {
      const sealed = this.#space.cipher.seal(this.#buffer.subarray(0, this.#buffered))
      this.#space.take(sealed.length)
      this.#blocks.push({ start: this.#bufferStart, kept: this.#buffered, offset: this.#fileBytes, size: sealed.length })
      this.#fileBytes += sealed.length
      this.#write(sealed, this.#fileBytes - sealed.length)
      this.#bufferStart += this.#buffered
      this.#buffered = 0
    }
    if (this.#buffer.length > BLOCK_BYTES) this.#buffer = Buffer.alloc(0)
  }

  #makeRoom(size: number): void {
    if (size <= this.#buffer.length) return
    const doubled = Math.max(FIRST_BUFFER_BYTES, Math.min(BLOCK_BYTES, this.#buffer.length * 2))
    const larger = Buffer.allocUnsafe(Math.max(size, doubled))
    this.#buffer.copy(larger, 0, 0, this.#buffered)
    this.#buffer = larger
  }

  #write(bytes: Buffer, offset: number): void {
    const file = (this.#file ??= this.#space.openFile())
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at, bytes.length - at, offset + at)
    } catch (error) {
      throw toSpoolError(error, this.#space.folder)
    }
  }

  #read({ offset, size }: Block): Buffer {
    const { folder, cipher } = this.#space
    try {
      const sealed = Buffer.allocUnsafe(size)
      for (let at = 0; at < size;) {
        const read = readSync(this.#file!, sealed, at, size - at, offset + at)
        if (read === 0) throw spoolUnusable(folder, `a file ends ${size - at} bytes too early`)
        at += read
      }
      return cipher.open(sealed)
    } catch (error) {
      throw isSluiceError(error) ? error : spoolUnusable(folder, 'a block can not be read back', error)
    }
  }

  #shrinkTo(bytes: number): void {
    this.#space.give(this.#fileBytes - bytes)
    this.#fileBytes = bytes
    if (this.#file === null) return
    try {
      ftruncateSync(this.#file, bytes)
    } catch (error) {
      throw toSpoolError(error, this.#space.folder)
    }
  }
}

function messagesOf(bytes: Buffer): readonly Buffer[] {
  const messages: Buffer[] = []
  for (let at = 0; at < bytes.length;) {
    const start = at + LENGTH_BYTES
    at = start + bytes.readUInt32BE(at)
    messages.push(bytes.subarray(start, at))
  }
  return messages
}
