/** The links that a batch closes, as the parameters of one statement. */
import { type CommitInfo, type PositionNumber, formatLsn } from '@sluice/core'
import { arrayOf } from './aggregate-versions.ts'

export class ClosedLinks {
  readonly #kinds: string[] = []
  readonly #firsts: bigint[] = []
  readonly #lasts: bigint[] = []
  readonly #commitLsns: string[] = []
  readonly #endLsns: string[] = []
  readonly #committedAt: bigint[] = []
  readonly #hashes: Buffer[] = []

  get count(): number {
    return this.#hashes.length
  }

  add(commit: CommitInfo, first: PositionNumber, last: PositionNumber, hash: Buffer): void {
    this.#kinds.push(commit.kind)
    this.#firsts.push(first)
    this.#lasts.push(last)
    this.#commitLsns.push(formatLsn(commit.commitLsn))
    this.#endLsns.push(formatLsn(commit.endLsn))
    this.#committedAt.push(commit.committedAt)
    this.#hashes.push(hash)
  }

  /** Kinds, first and last positions, commit and end LSNs, commit times, and all hashes in one. */
  parameters(): readonly [string, string, string, string, string, string, Buffer] {
    return [
      arrayOf(this.#kinds),
      arrayOf(this.#firsts),
      arrayOf(this.#lasts),
      arrayOf(this.#commitLsns),
      arrayOf(this.#endLsns),
      arrayOf(this.#committedAt),
      Buffer.concat(this.#hashes),
    ]
  }
}
