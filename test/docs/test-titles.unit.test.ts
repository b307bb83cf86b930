import { expect, test } from 'vitest'
import { proofsIn, titlesOf } from './test-titles.ts'

test('a proof is a link to a file and a title in it', () => {
  expect(proofsIn('| [one](../a.test.ts) “it does” <br> [two](../b.test.ts) “and that” |')).toEqual([
    { path: '../a.test.ts', title: 'it does' },
    { path: '../b.test.ts', title: 'and that' },
  ])
})

test('titles are those of tests that run', () => {
  const source = [
    `test('plain', () => {})`,
    'it("quoted")',
    'test(`with ${n} parts`, () => {})',
    `test.each(cases)('%s of many', () => {})`,
    `test.each(tables.filter((t) => t.name))(\n  'nested %s',\n  () => {},\n)`,
    `describe.skip('all of it', () => { test('inside', () => {}) })`,
    `test.skip('left out', () => {})`,
    `test.todo('not yet')`,
  ].join('\n')
  expect(titlesOf(source)).toEqual(['plain', 'quoted', 'with … parts', '%s of many', 'nested %s'])
})
