/** Against a model of the source: every read takes as long as it likes, and ends in any order. */
import { postgresTarget } from '@sluice/postgres'
import { bigint, table, topic } from '@sluice/system'
import fc from 'fast-check'
import pg from 'pg'
import { expect, test } from 'vitest'
import { type ChunkSource, SnapshotStale, type TextRow, type readRange, wholeTable } from './chunk-reader.ts'
import { LoadReaders, type TableToRead } from './load-readers.ts'

type ReadRange = typeof readRange

/** Every row takes so much. */
const ROW_BYTES = 10

function tableOf(name: string, after: number | null): TableToRead {
  const definition = table(name, { columns: { id: bigint() }, key: ['id'], aggregate: 'Thing', topic: topic('things') })
  const columns = [{ name: 'id', baseType: 'bigint', collation: null }]
  return { scope: wholeTable(definition, columns, null), after: after === null ? null : [String(after)] }
}

/** Sessions that no query reaches: the model reads. */
function sessions(count: number): ChunkSource[] {
  const target = postgresTarget('monolith', 'postgresql://nobody@127.0.0.1:1/nowhere')
  return Array.from({ length: count }, () => ({ client: new pg.Client(target.config), target }))
}

/** A source with tables of rising keys. `turn` is waited for before a range's end is found, and before its rows are there. */
function modelOf(rows: Readonly<Record<string, readonly number[]>>, turn: (what: string) => Promise<void>): Model {
  const reading = new Set<ChunkSource>()
  const model: Model = {
    reading,
    mostKeys: 0,
    read: async (source, scope, after, { chunkRowsMax, chunkBytesMax }, onBound) => {
      expect(reading.has(source)).toBe(false)
      reading.add(source)
      const { name } = scope.table
      await turn(`end of ${name} after ${after?.[0] ?? 'nothing'}`)
      const [from, to] = [after === null ? -Infinity : Number(after[0]), scope.to === null ? Infinity : Number(scope.to[0])]
      const left = rows[name]!.filter((key) => key > from && key <= to)
      const bound = left[chunkRowsMax - 1] ?? null
      onBound?.(bound === null ? null : [String(bound)])
      await turn(`rows of ${name} after ${after?.[0] ?? 'nothing'}`)
      const range = left.slice(0, chunkRowsMax)
      const given = range.slice(0, Math.ceil(chunkBytesMax / ROW_BYTES))
      const isCut = given.length * ROW_BYTES >= chunkBytesMax
      model.mostKeys = Math.max(model.mostKeys, given.length)
      reading.delete(source)
      const last = given.at(-1)
      return {
        rows: given.map((key): TextRow => [String(key)]),
        bytes: given.length * ROW_BYTES,
        to: last === undefined ? null : [String(last)],
        rowsRead: given.length,
        isCut,
        isLast: bound === null && !isCut,
      }
    },
  }
  return model
}

interface Model {
  readonly read: ReadRange
  readonly reading: ReadonlySet<ChunkSource>
  mostKeys: number
}

const atOnce = (): Promise<void> => Promise.resolve()

test('whichever session is first, every row comes once, in the order of tables and keys, and each table has one end', async () => {
  const keys = fc.uniqueArray(fc.integer({ min: 0, max: 60 }), { maxLength: 40 }).map((some) => some.sort((a, b) => a - b))
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(keys, { minLength: 1, maxLength: 4 }),
      fc.option(fc.integer({ min: 0, max: 60 })),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 90 }),
      async (scheduler, tables, after, sessionCount, chunkRowsMax, chunkBytesMax) => {
        const rows = Object.fromEntries(tables.map((some, i) => [`t${i}`, some]))
        const model = modelOf(rows, (what) => scheduler.schedule(Promise.resolve(), what))
        const readers = new LoadReaders({
          sources: sessions(sessionCount),
          tables: tables.map((_, i) => tableOf(`t${i}`, i === 0 ? after : null)),
          limits: { chunkRowsMax, chunkBytesMax },
          read: model.read,
        })
        const given: string[] = []
        const ends: number[] = []
        const reading = (async () => {
          for (let chunk = await readers.next(); chunk; chunk = await readers.next()) {
            expect(readers.at).toBe(chunk.table)
            given.push(...chunk.rows.map((row) => `t${chunk.table} ${row[0]}`))
            if (chunk.isLast) ends.push(chunk.table)
          }
        })()
        await scheduler.waitFor(reading)
        await readers.stop()
        const expected = tables.flatMap((some, i) =>
          some.filter((k) => i > 0 || after === null || k > after).map((k) => `t${i} ${k}`),
        )
        expect(given).toEqual(expected)
        expect(ends).toEqual(tables.map((_, i) => i))
        expect(model.mostKeys).toBeLessThanOrEqual(chunkRowsMax)
        expect(model.reading.size).toBe(0)
      },
    ),
  )
})

test('all sessions read at once, over the end of a table, and each holds one chunk until it is given', async () => {
  const waiting = new Map<string, () => void>()
  const model = modelOf({ t0: [1, 2, 3], t1: [1, 2, 3] }, (what) =>
    what.startsWith('end') ? Promise.resolve() : new Promise((resolve) => waiting.set(what, resolve)),
  )
  const readers = new LoadReaders({
    sources: sessions(3),
    tables: [tableOf('t0', null), tableOf('t1', null)],
    limits: { chunkRowsMax: 2, chunkBytesMax: 1_000 },
    read: model.read,
  })
  const first = readers.next()
  await expect
    .poll(() => [...waiting.keys()])
    .toEqual(['rows of t0 after nothing', 'rows of t0 after 2', 'rows of t1 after nothing'])
  waiting.get('rows of t1 after nothing')!()
  waiting.get('rows of t0 after 2')!()
  await expect.poll(() => model.reading.size).toBe(1)
  expect(waiting.size).toBe(3)
  waiting.get('rows of t0 after nothing')!()
  expect(await first).toMatchObject({ table: 0, rows: [['1'], ['2']], isLast: false })
  await expect.poll(() => [...waiting.keys()]).toContain('rows of t1 after 2')
  expect(await readers.next()).toMatchObject({ table: 0, rows: [['3']], isLast: true })
  waiting.get('rows of t1 after 2')!()
  await readers.stop()
})

test('wide rows: after the first range the ranges are as small as a chunk, so that every session has its share', async () => {
  const keys = Array.from({ length: 3_000 }, (_, i) => i)
  const model = modelOf({ t0: keys }, atOnce)
  const after: string[] = []
  const readers = new LoadReaders({
    sources: sessions(2),
    tables: [tableOf('t0', null)],
    limits: { chunkRowsMax: 1_000, chunkBytesMax: 100 * ROW_BYTES },
    read: (source, scope, from, limits, onBound) => {
      if (onBound) after.push(`${limits.chunkRowsMax}`)
      return model.read(source, scope, from, limits, onBound)
    },
  })
  const sizes: number[] = []
  for (let chunk = await readers.next(); chunk; chunk = await readers.next()) sizes.push(chunk.rows.length)
  expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(3_000)
  expect(Math.max(...sizes)).toBe(100)
  expect(after.slice(0, 2)).toEqual(['500', '500'])
  expect(new Set(after.slice(2))).toEqual(new Set(['75']))
})

test('a read that fails is told in its turn, after what comes before it; then nothing more is read', async () => {
  const model = modelOf({ t0: [1, 2], t1: [1, 2, 3, 4] }, atOnce)
  let reads = 0
  const readers = new LoadReaders({
    sources: sessions(3),
    tables: [tableOf('t0', null), tableOf('t1', null)],
    limits: { chunkRowsMax: 3, chunkBytesMax: 1_000 },
    read: async (...range) => {
      reads += 1
      if (range[1].table.name === 't1') throw new SnapshotStale()
      return model.read(...range)
    },
  })
  expect(await readers.next()).toMatchObject({ table: 0, isLast: true })
  await expect(readers.next()).rejects.toThrow(SnapshotStale)
  expect([readers.at, reads]).toEqual([1, 2])
  await readers.stop()
})
