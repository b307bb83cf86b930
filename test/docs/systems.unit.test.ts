/** The page of requirements: each has a proof that is there, or one of three reasons, or is said to be open. */
import { readFile, readdir } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { systemsIn } from './requirements.ts'
import { titlesOf } from './test-titles.ts'

const PAGE = new URL('../../docs/systems.md', import.meta.url)
const systems = systemsIn(await readFile(PAGE, 'utf8'))
const paths = new Set(systems.flatMap(({ requirements }) => requirements.flatMap(({ proofs }) => proofs.map(({ path }) => path))))
/** Of each file that the page names; several systems name the same ones. */
const titles = new Map<string, readonly string[]>()
for (const path of paths) titles.set(path, titlesOf(await readFile(new URL(path, PAGE), 'utf8').catch(() => '')))

test('every system that the page has is a folder in schemas', async () => {
  expect(await readdir(new URL('../../schemas/', import.meta.url))).toEqual(
    expect.arrayContaining(systems.map(({ name }) => name)),
  )
})

describe.each(systems)('$name', ({ requirements }) => {
  test('each requirement has a proof, or a reason that says more', () => {
    const bare = requirements.filter(({ proofs, reason }) => proofs.length === 0 && reason === undefined)
    expect(bare).toEqual([])
    expect(requirements.length).toBeGreaterThan(0)
  })

  test('no proof is written in a form that is not checked', () => {
    const links = requirements.filter(
      ({ answer, proofs }) => [...answer.matchAll(/\]\([^)]*\.test\.ts/g)].length !== proofs.length,
    )
    expect(links).toEqual([])
  })

  // That they ran, and passed, is known when all have run: test/run-all.ts looks.
  test('each proof is a test that runs', () => {
    const proofs = requirements.flatMap((requirement) => requirement.proofs)
    const missing = proofs.filter(({ path, title }) => titles.get(path)?.includes(title) !== true)
    expect(missing).toEqual([])
  })
})
