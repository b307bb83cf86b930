/** A file of a backup while it is written: sealed where there is a key, and measured on its way to the disk. */
import { type KeyObject, createHash } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import type { Transform, Writable } from 'node:stream'
import type { MasterKeys } from '@sluice/privacy'
import type { BackupPart, StoredFile } from './manifest.ts'
import { measured } from './measured-stream.ts'
import { sealing } from './sealed-stream.ts'

export class FileToStore {
  /** What it is written through, the file last. It is on the disk when that one has closed. */
  readonly stages: readonly [...Transform[], Writable]
  readonly #hash = createHash('sha256')
  #bytes = 0n

  /**
   * @param key Null: in the clear.
   * @param onBytes Called with the bytes of each piece that is written.
   */
  constructor({ path, bound }: BackupPart, key: KeyObject | null, onBytes: (bytes: number) => void) {
    const measure = (piece: Buffer): void => {
      this.#hash.update(piece)
      this.#bytes += BigInt(piece.length)
      onBytes(piece.length)
    }
    const file = createWriteStream(path, { flags: 'wx', mode: 0o600, flush: true })
    this.stages = [...(key === null ? [] : [sealing(key, bound)]), measured(measure), file]
  }

  /** Once all is written. */
  get stored(): StoredFile {
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') }
  }
}

/** Null: in the clear. */
export function sealingKey(keys: MasterKeys | null): KeyObject | null {
  return keys === null ? null : keys.keys.get(keys.current)!
}
