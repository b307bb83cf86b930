import { mkdtempSync, readFileSync, readdirSync, readlinkSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isSluiceError } from '@sluice/core'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { BLOCK_BYTES, SpoolFile } from './spool-file.ts'
import { SpoolSpace } from './spool-space.ts'

let folder: string
beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'spool-test-')), 'spool')
})
afterEach(() => {
  rmSync(join(folder, '..'), { recursive: true, force: true })
})

function space(spoolBytesMax = 2 ** 30): SpoolSpace {
  return new SpoolSpace({ spoolFolder: folder, spoolBytesMax })
}

function kept(file: SpoolFile): readonly string[] {
  return [...file.blocks()].flatMap((messages) => messages.map((m) => m.toString()))
}

test('messages of any sizes, cut anywhere, come back as they were', () => {
  const sizes = fc.array(fc.tuple(fc.integer({ min: 1, max: 90_000 }), fc.nat(9)), { minLength: 1, maxLength: 60 })
  fc.assert(
    fc.property(sizes, (steps) => {
      const place = space()
      const file = new SpoolFile(place)
      let model: { readonly text: string; readonly start: number }[] = []
      for (const [index, [size, action]] of steps.entries()) {
        if (action === 0 && model.length > 0) {
          const { start } = model[size % model.length]!
          file.cut(start)
          model = model.filter((m) => m.start < start)
        } else if (action === 1) {
          file.release()
        }
        const text = `${index}:`.padEnd(size, 'x')
        model.push({ text, start: file.end })
        file.append(Buffer.from(text))
      }
      expect(kept(file)).toEqual(model.map((m) => m.text))
      file.close()
      expect(place.bytes).toBe(0)
    }),
    { numRuns: 60 },
  )
})

/** Bytes of this process's open files without a name in a folder. */
function unlinkedBytes(inFolder: string): readonly Buffer[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(inFolder) ? [readFileSync(`/proc/self/fd/${fd}`)] : []
    } catch {
      // The folder's own descriptor is gone by now.
      return []
    }
  })
}

test.runIf(process.platform === 'linux')('on disk there is a folder of the user alone, no name, and nothing in the clear', () => {
  const file = new SpoolFile(space())
  const secret = 'planted-secret '.repeat(10_000)
  for (let i = 0; i < 8; i += 1) file.append(Buffer.from(secret))
  file.release()
  expect(statSync(folder).mode & 0o777).toBe(0o700)
  expect(readdirSync(folder)).toEqual([])
  const [bytes] = unlinkedBytes(folder)
  expect(bytes!.length).toBeGreaterThan(8 * secret.length)
  expect(bytes!.includes('planted-secret')).toBe(false)
  file.close()
  expect(unlinkedBytes(folder)).toEqual([])
})

test('the bound of the spool is told with a way out before a byte is written over it, and a cut gives its room back', () => {
  const place = space(3 * BLOCK_BYTES)
  const file = new SpoolFile(place)
  const block = Buffer.alloc(BLOCK_BYTES - 100)
  file.append(block)
  file.append(block)
  file.append(block)
  expect(place.bytes).toBeGreaterThan(BLOCK_BYTES)
  file.cut(0)
  expect(place.bytes).toBe(0)
  for (let i = 0; i < 3; i += 1) file.append(block)
  try {
    for (let i = 0; i < 2; i += 1) file.append(block)
    expect.unreachable()
  } catch (error) {
    expect(isSluiceError(error, 'SPOOL_FULL') && error.ways[0]).toMatch(/^export SLUICE_SPOOL_BYTES_MAX=\d+/)
  }
  expect(place.bytes).toBeLessThanOrEqual(3 * BLOCK_BYTES)
})

test('a folder that is open to others, or is none, is refused', () => {
  rmSync(folder, { recursive: true, force: true })
  writeFileSync(folder, '', { mode: 0o600 })
  expect(() => space().openFile()).toThrow(expect.objectContaining({ code: 'SPOOL_UNUSABLE' }) as Error)
  const open = new SpoolSpace({ spoolFolder: tmpdir(), spoolBytesMax: 1 })
  expect(() => open.openFile()).toThrow('it is not a folder of this user alone')
})
