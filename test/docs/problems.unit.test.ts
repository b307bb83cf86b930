/** The page of known problems: every proof that it names is there, and no problem is without one. */
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { proofsIn, titlesOf } from './test-titles.ts'

/** Problems that the issue counts; more may follow them. */
const PROBLEMS = 25

const PAGE = new URL('../../docs/problems.md', import.meta.url)
const page = await readFile(PAGE, 'utf8')
const rows = [...page.matchAll(/^\| (\d+) \|.*\| (.*) \|$/gm)].map(([, number, proof]) => ({ number: number!, proof: proof! }))
const proofs = rows.flatMap(({ number, proof }) =>
  proofsIn(proof).map(({ path, title }): [string, string, string] => [number, path, title]),
)

test('the problems are numbered without gaps, and each has a proof', () => {
  expect(rows.length).toBeGreaterThanOrEqual(PROBLEMS)
  expect(rows.map((row) => Number(row.number))).toEqual(rows.map((_, i) => i + 1))
  const proven = new Set(proofs.map(([number]) => number))
  expect(rows.filter((row) => !proven.has(row.number))).toEqual([])
})

test('no proof is written in a form that is not checked', () => {
  const links = rows.flatMap(({ proof }) => [...proof.matchAll(/\]\(/g)])
  expect(proofs).toHaveLength(links.length)
})

test.each(proofs)('problem %s: %s has “%s”', async (_, path, name) => {
  const text = await readFile(new URL(path, PAGE), 'utf8')
  const names = path.endsWith('.md') ? [...text.matchAll(/^- \*\*(.*?)\*\*/gm)].map(([, heading]) => heading!) : titlesOf(text)
  expect(names).toContain(name)
})
