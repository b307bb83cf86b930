/**
 * What is kept of a streamed transaction is what a transaction that is sent whole would have, for any nesting of sub-transactions;
 * or the transaction is doubtful, and then it may be.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SpoolSpace } from './spool-space.ts'
import { SpooledTransaction } from './spooled-transaction.ts'

const SEED = Number(process.env['SLUICE_TEST_SEED'] ?? Date.now() % 2 ** 31)
const TOP_XID = 0xffff_fff0
const OWN = 'sluice.context'

function space(): SpoolSpace {
  return new SpoolSpace({ spoolFolder: null, spoolBytesMax: 2 ** 30 })
}

function kept(transaction: SpooledTransaction): readonly string[] {
  return [...transaction.blocks()].flatMap((messages) => messages.map((m) => m.toString()))
}

/** A sub-transaction of the model, or the transaction itself: its xid is given with the first thing that it writes. */
interface Part {
  readonly parent: Part | null
  readonly children: Part[]
  xid: number | null
  isAborted: boolean
}

interface Written {
  readonly text: string
  readonly owner: Part
}

/** PostgreSQL as far as it counts here: nested parts, xids, and what it streams of them. */
class ModelServer {
  readonly target: SpooledTransaction
  readonly written: Written[] = []
  readonly #top: Part = { parent: null, children: [], xid: TOP_XID, isAborted: false }
  #current = this.#top
  #nextXid = TOP_XID + 1

  constructor(target: SpooledTransaction) {
    this.target = target
  }

  savepoint(): void {
    const part: Part = { parent: this.#current, children: [], xid: null, isAborted: false }
    this.#current.children.push(part)
    this.#current = part
  }

  release(): void {
    this.#current = this.#current.parent ?? this.#current
  }

  rollBackTo(): void {
    const { parent } = this.#current
    if (!parent) return
    this.#abort(this.#current)
    this.#current = parent
    this.savepoint()
  }

  row(text: string): void {
    this.#assign(this.#current)
    this.target.add(Buffer.from(text), this.#current.xid!, null)
    this.written.push({ text, owner: this.#current })
  }

  /** A change of a table that is not published. */
  hiddenRow(): void {
    this.#assign(this.#current)
  }

  message(text: string, prefix: string): void {
    this.#assign(this.#current)
    this.target.add(Buffer.from(text), TOP_XID, prefix)
    if (prefix === OWN) this.written.push({ text, owner: this.#current })
  }

  expected(): readonly string[] {
    const isKept = (part: Part | null): boolean => part === null || (!part.isAborted && isKept(part.parent))
    return this.written.filter(({ owner }) => isKept(owner)).map(({ text }) => text)
  }

  #assign(part: Part): void {
    if (part.xid !== null) return
    if (part.parent) this.#assign(part.parent)
    part.xid = this.#nextXid % 2 ** 32
    this.#nextXid += 1
  }

  #abort(part: Part): void {
    if (part.isAborted) return
    for (const child of part.children) this.#abort(child)
    part.isAborted = true
    if (part.xid !== null) this.target.rollBack(part.xid)
  }
}

const operation = fc.constantFrom('savepoint', 'savepoint', 'release', 'rollback', 'row', 'row', 'row', 'hidden', 'own', 'other')

test('for any nesting, what is kept is what was not rolled back; where that can not be told, the transaction is doubtful', () => {
  process.stdout.write(`spooled transaction: SLUICE_TEST_SEED=${SEED}\n`)
  let told = 0
  let doubtful = 0
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
      const transaction = new SpooledTransaction(TOP_XID, space())
      const server = new ModelServer(transaction)
      for (const [index, name] of operations.entries()) {
        if (name === 'savepoint') server.savepoint()
        else if (name === 'release') server.release()
        else if (name === 'rollback') server.rollBackTo()
        else if (name === 'row') server.row(`row ${index}`)
        else if (name === 'hidden') server.hiddenRow()
        else server.message(`${name} ${index}`, name === 'own' ? OWN : 'other')
      }
      if (transaction.isDoubtful) {
        expect(operations).toContain('own')
        expect(operations).toContain('rollback')
        doubtful += 1
      } else {
        expect(kept(transaction).filter((text) => !text.startsWith('other'))).toEqual(server.expected())
        told += 1
      }
      transaction.close()
    }),
    { seed: SEED, numRuns: 3_000 },
  )
  expect(told).toBeGreaterThan(1_000)
  expect(doubtful).toBeGreaterThan(20)
})

test('a message that a kept change follows is not doubtful, whatever is rolled back later', () => {
  const transaction = new SpooledTransaction(5, space())
  transaction.add(Buffer.from('context'), 5, OWN)
  transaction.add(Buffer.from('kept'), 5, null)
  transaction.add(Buffer.from('gone'), 6, null)
  transaction.rollBack(6)
  expect([transaction.isDoubtful, kept(transaction)]).toEqual([false, ['context', 'kept']])
  transaction.add(Buffer.from('second'), 5, OWN)
  transaction.rollBack(7)
  expect(transaction.isDoubtful).toBe(true)
})
