/**
 * Keys of one table that were changed by streamed commits which no query of the source was known to see yet.
 *
 *   lost ──begin──▶ noting ──(more than its bytes)──▶ lost
 *
 * A commit reaches the stream before a query sees it; how long after that is open, since synchronous replication holds it
 * between the two. So what is streamed is kept until a query is known that sees it; all later queries see it too.
 *
 * K1  Noting, it has every change of the table by a commit that was streamed since `begin` and that `saw` does not see.
 * K2  It never forgets to save memory: it is lost then as a whole, and says so.
 */
import type { VisibleTransactions } from './visible-transactions.ts'

/** What an entry takes in memory beside its text. */
const ENTRY_BYTES = 120

interface ChangedCommit {
  readonly xid: number
  readonly keys: Map<string, string | null>
  isTruncated: boolean
  bytes: number
}

export interface UnseenChanges {
  readonly isTruncated: boolean
  /**
   * Keys as JSON text. Null where the changes have the row whole, or its end; else the key under which the row went on, of which a
   * value was not sent (unchanged TOAST).
   */
  readonly keys: ReadonlyMap<string, string | null>
}

export class ChangedKeys {
  readonly #bytesMax: number
  #commits: ChangedCommit[] = []
  #current: ChangedCommit | null = null
  #visible: VisibleTransactions | null = null
  #bytes = 0
  #isLost = true

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  get isLost(): boolean {
    return this.#isLost
  }

  get bytes(): number {
    return this.#bytes
  }

  begin(): void {
    this.#clear()
    this.#isLost = false
  }

  end(): void {
    this.#clear()
    this.#isLost = true
  }

  /** A streamed commit follows. */
  commit(xid: number): void {
    this.#current = null
    if (this.#isLost || this.#visible?.sees(xid) === true) return
    this.#current = { xid, keys: new Map(), isTruncated: false, bytes: 0 }
  }

  /** @param isWhole The change tells every value of the row, or that there is none any more. */
  change(key: readonly string[], isWhole: boolean): void {
    const text = JSON.stringify(key)
    this.#note(text, isWhole ? null : text)
  }

  /** A row took another key. */
  move(oldKey: readonly string[], newKey: readonly string[], isWhole: boolean): void {
    const text = JSON.stringify(newKey)
    this.#note(JSON.stringify(oldKey), isWhole ? null : text)
    this.#note(text, isWhole ? null : text)
  }

  truncate(): void {
    const commit = this.#noted()
    if (!commit) return
    commit.isTruncated = true
    this.#grow(commit, ENTRY_BYTES)
  }

  /** A query of the source sees these; whatever it sees needs to be kept no longer. */
  saw(visible: VisibleTransactions): void {
    this.#visible = visible
    // The rest of the commit at hand is not wanted either.
    if (this.#current && visible.sees(this.#current.xid)) this.#current = null
    this.#commits = this.#commits.filter((commit) => {
      if (!visible.sees(commit.xid)) return true
      this.#bytes -= commit.bytes
      return false
    })
  }

  /** What changed since the query that was told last. */
  unseen(): UnseenChanges {
    const keys = new Map<string, string | null>()
    for (const commit of this.#commits) {
      for (const [key, goesOnAs] of commit.keys) keys.set(key, keys.get(key) === null ? null : goesOnAs)
    }
    return { isTruncated: this.#commits.some((commit) => commit.isTruncated), keys }
  }

  #note(key: string, goesOnAs: string | null): void {
    const commit = this.#noted()
    if (!commit) return
    const before = commit.keys.get(key)
    commit.keys.set(key, before === null ? null : goesOnAs)
    if (before === undefined) this.#grow(commit, key.length * 2 + ENTRY_BYTES)
  }

  /** The commit at hand, which is kept from its first change on. */
  #noted(): ChangedCommit | null {
    const commit = this.#current
    if (commit?.bytes === 0) {
      this.#commits.push(commit)
      this.#grow(commit, ENTRY_BYTES)
    }
    return this.#current
  }

  #grow(commit: ChangedCommit, bytes: number): void {
    commit.bytes += bytes
    this.#bytes += bytes
    if (this.#bytes > this.#bytesMax) this.end()
  }

  #clear(): void {
    this.#commits = []
    this.#current = null
    this.#visible = null
    this.#bytes = 0
  }
}
