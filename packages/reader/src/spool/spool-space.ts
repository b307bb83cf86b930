/**
 * Where the spool's files lie and how much they may hold together.
 *
 * A file has no name: it is unlinked as soon as it is open, so that the system gives its space back when the process ends, however
 * it ends. The folder is the user's alone.
 */
import { randomUUID } from 'node:crypto'
import { lstatSync, mkdirSync, openSync, unlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SpoolCipher } from './spool-cipher.ts'
import { spoolFull, spoolUnusable, toSpoolError } from './spool-error.ts'

export interface SpoolLimits {
  /** Folder of the spool's files; null: one of the user's own in the system's folder for temporary files. */
  readonly spoolFolder: string | null
  /** Bytes that all files may hold together. */
  readonly spoolBytesMax: number
}

export class SpoolSpace {
  readonly cipher = new SpoolCipher()
  readonly #folder: string
  readonly #limitBytes: number
  #bytes = 0
  #isReady = false

  constructor(limits: SpoolLimits) {
    this.#folder = limits.spoolFolder ?? join(tmpdir(), `sluice-spool-${userName()}`)
    this.#limitBytes = limits.spoolBytesMax
  }

  get folder(): string {
    return this.#folder
  }

  /** Bytes on disk. */
  get bytes(): number {
    return this.#bytes
  }

  get limitBytes(): number {
    return this.#limitBytes
  }

  /** @throws SluiceError SLU-2042 */
  take(bytes: number): void {
    if (this.#bytes + bytes > this.#limitBytes) throw spoolFull(this.#bytes + bytes, this.#limitBytes, this.#folder)
    this.#bytes += bytes
  }

  give(bytes: number): void {
    this.#bytes -= bytes
  }

  /** Opens a new file without a name, for reading and writing. @throws SluiceError SLU-2042, SLU-2043 */
  openFile(): number {
    try {
      this.#prepare()
      const path = join(this.#folder, randomUUID())
      const file = openSync(path, 'wx+', 0o600)
      unlinkSync(path)
      return file
    } catch (error) {
      throw toSpoolError(error, this.#folder)
    }
  }

  #prepare(): void {
    if (this.#isReady) return
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
    // Anybody may have made a folder of this name in a place that all share.
    const found = lstatSync(this.#folder)
    const isOwn = process.getuid === undefined || (found.uid === process.getuid() && (found.mode & 0o077) === 0)
    if (!found.isDirectory() || !isOwn) throw spoolUnusable(this.#folder, 'it is not a folder of this user alone')
    this.#isReady = true
  }
}

function userName(): string {
  return String(process.getuid?.() ?? 'user')
}
