/** The page of requirements: each has a proof that is there, or one of three reasons, or is said to be open. */
import { readFile, readdir } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { type Proof, proofsIn, titlesOf } from './test-titles.ts'

const PAGE = new URL('../../docs/systems.md', import.meta.url)
const REASONS = ['not here', 'own', 'later', 'open'] as const

interface Requirement {
  readonly text: string
  /** The last cell of its row. */
  readonly answer: string
  readonly proofs: readonly Proof[]
}

const page = await readFile(PAGE, 'utf8')
const systems = page
  .split(/^## /m)
  .slice(1)
  .map((section) => ({ name: /^\S+/.exec(section)![0], requirements: requirementsOf(section) }))

/** Rows of the section's tables, without their heads. */
function requirementsOf(section: string): readonly Requirement[] {
  const rows = section.split('\n').filter((line) => line.startsWith('| ') && !/^\| (-|topic \|)/.test(line))
  return rows.map((row) => {
    const cells = row.slice(2, -2).split(' | ')
    const answer = cells.at(-1)!
    return { text: cells.slice(0, -1).join(': '), answer, proofs: proofsIn(answer) }
  })
}

function reasonOf(answer: string): (typeof REASONS)[number] | undefined {
  return REASONS.find((reason) => answer.startsWith(`**${reason}**: `))
}

test('every system that the page has is a folder in schemas', async () => {
  expect(await readdir(new URL('../../schemas/', import.meta.url))).toEqual(
    expect.arrayContaining(systems.map(({ name }) => name)),
  )
})

describe.each(systems)('$name', ({ name, requirements }) => {
  test('each requirement has a proof, or a reason that says more', () => {
    const open = requirements.filter(({ answer, proofs }) => proofs.length === 0 && reasonOf(answer) === undefined)
    expect(open).toEqual([])
    expect(requirements.length).toBeGreaterThan(0)
  })

  test('no proof is written in a form that is not checked', () => {
    const links = requirements.filter(
      ({ answer, proofs }) => [...answer.matchAll(/\]\([^)]*\.test\.ts/g)].length !== proofs.length,
    )
    expect(links).toEqual([])
  })

  test('each proof is a test that runs', async () => {
    const missing: string[] = []
    for (const { path, title } of requirements.flatMap(({ proofs }) => proofs)) {
      const source = await readFile(new URL(path, PAGE), 'utf8').catch(() => '')
      if (!titlesOf(source).includes(title)) missing.push(`${path} “${title}”`)
    }
    expect(missing).toEqual([])
  })

  test('the counts', () => {
    const proven = requirements.filter(({ proofs }) => proofs.length > 0).length
    const others = REASONS.map((reason) => {
      const rows = requirements.filter(({ answer, proofs }) => proofs.length === 0 && reasonOf(answer) === reason)
      return `${rows.length} ${reason}`
    })
    process.stdout.write(`${name}: ${requirements.length} requirements, ${proven} proven, ${others.join(', ')}\n`)
  })
})
