/**
 * The rule against a model of PostgreSQL: commits get into the stream in the order of the WAL, and are seen by queries at any time after
 * that, in any order. A row's writer holds its lock until its commit is seen.
 */
import { LSN_ZERO, epochMicros, lsnOf } from '@sluice/core'
import { bigint, table, topic } from '@sluice/system'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { BackfillWatch, type ReleaseChunk } from './backfill-watch.ts'
import { remainsOf } from './chunk-remains.ts'
import { VisibleTransactions } from './visible-transactions.ts'

const things = table('things', {
  columns: { id: bigint(), n: bigint() },
  key: ['id'],
  aggregate: 'Thing',
  topic: topic('things'),
})

const KEYS = 6

type Change = { readonly key: number; readonly to: number | null }
type Rows = ReadonlyMap<number, number>

interface Commit {
  readonly xid: number
  readonly changes: readonly Change[]
  isSeen: boolean
}

/** What stands in the WAL: commits, and marks. */
type Entry = { readonly commit: Commit } | { readonly mark: string }

class Server {
  readonly commits: Commit[] = []
  readonly wal: Entry[] = []
  #xid = 2 ** 32 - 20

  /** A transaction that writes; it waits for rows whose writer is not seen yet. */
  write(changes: readonly Change[]): void {
    const locked = new Set(this.commits.filter((c) => !c.isSeen).flatMap((c) => c.changes.map(({ key }) => key)))
    if (changes.some(({ key }) => locked.has(key))) return
    const commit = { xid: this.nextXid(), changes, isSeen: false }
    this.commits.push(commit)
    this.wal.push({ commit })
  }

  nextXid(): number {
    return this.#xid++
  }

  show(which: number): void {
    const hidden = this.commits.filter((c) => !c.isSeen)
    const commit = hidden[which % Math.max(1, hidden.length)]
    if (commit) commit.isSeen = true
  }

  visible(): VisibleTransactions {
    const hidden = this.commits.filter((c) => !c.isSeen).map((c) => c.xid)
    const end = Math.max(2 ** 32 - 20, ...this.commits.filter((c) => c.isSeen).map((c) => c.xid + 1))
    const open = hidden.filter((xid) => xid < end)
    return new VisibleTransactions(`${Math.min(end, ...hidden)}:${end}:${open.join(',')}`)
  }
}

function rowsOf(commits: readonly Commit[]): Rows {
  const rows = new Map<number, number>()
  for (const { key, to } of commits.flatMap((c) => c.changes)) {
    if (to === null) rows.delete(key)
    else rows.set(key, to)
  }
  return rows
}

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      write: fc.array(fc.record({ key: fc.nat(KEYS - 1), to: fc.option(fc.nat(99)) }), { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 4, arbitrary: fc.record({ show: fc.nat(9) }) },
  { weight: 5, arbitrary: fc.constant({ deliver: true } as const) },
  { weight: 3, arbitrary: fc.constant({ read: true } as const) },
  { weight: 1, arbitrary: fc.constant({ restart: true } as const) },
)

test('whenever commits are seen, each row of a chunk is the row at its mark, and no row is missing that did not change meanwhile', () => {
  let chunks = 0
  let marks = 0
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
      const server = new Server()
      const streamed: Commit[] = []
      let watch = new BackfillWatch(100_000, () => undefined)
      let olderThan: bigint | null = null
      let isHeld = false
      const expected: Rows[] = []
      const actual: Rows[] = []
      const deliver = (): void => {
        const entry = server.wal.shift()
        if (!entry) return
        if ('mark' in entry) {
          watch.mark(entry.mark, lsnOf(1n))
          return
        }
        watch.commit(entry.commit.xid)
        for (const { key } of entry.commit.changes) watch.changed(things, [String(key)], true)
        streamed.push(entry.commit)
      }
      const read = (): void => {
        if (isHeld) return
        if (watch.isLost) {
          watch.begin(things)
          olderThan = BigInt(server.nextXid())
        }
        const visible = server.visible()
        if (
          olderThan !== null &&
          visible.oldestOpen <= olderThan &&
          server.commits.some((c) => !c.isSeen && c.xid < Number(olderThan))
        )
          return
        olderThan = null
        const rows = [...rowsOf(server.commits.filter((c) => c.isSeen))].map(([key, n]) => [String(key), String(n)])
        watch.saw(visible)
        isHeld = true
        const mark = `mark ${(marks += 1)}`
        const release: ReleaseChunk = (unseen) => {
          isHeld = false
          chunks += 1
          const { left } = remainsOf(rows, unseen, ([key]) => [key!])
          const now = rowsOf(streamed)
          const changed = new Set(
            server.commits.filter((c) => !visible.sees(c.xid)).flatMap((c) => c.changes.map(({ key }) => String(key))),
          )
          const found = new Map(left.map(([key, n]) => [Number(key), Number(n)]))
          // What a chunk does not have is in the stream, before the mark or after it.
          expected.push(new Map([...now].filter(([key]) => !changed.has(String(key)) || found.has(key))))
          actual.push(found)
          const commit = { kind: 'chunk', commitLsn: LSN_ZERO, endLsn: LSN_ZERO, committedAt: epochMicros(0n) } as const
          return { part: { commit, events: [], isLast: true }, bytes: 0, save: () => Promise.resolve() }
        }
        watch.hold(mark, release).catch(() => undefined)
        server.wal.push({ mark })
      }
      for (const it of steps) {
        if ('write' in it) server.write(it.write)
        else if ('show' in it) server.show(it.show)
        else if ('deliver' in it) deliver()
        else if ('read' in it) read()
        else {
          // Another process, which remembers nothing; marks of the one before may still come.
          watch = new BackfillWatch(100_000, () => undefined)
          olderThan = null
          isHeld = false
        }
      }
      while (server.wal.length > 0) deliver()
      expect(actual).toEqual(expected)
    }),
    { numRuns: 2_000 },
  )
  expect(chunks).toBeGreaterThan(1_000)
})
