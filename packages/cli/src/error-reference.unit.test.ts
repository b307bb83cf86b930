import { readFileSync } from 'node:fs'
import { ERROR_CODES } from '@sluice/core'
import { expect, test } from 'vitest'
import { errorReference } from './error-reference.ts'

const page = readFileSync(new URL('../../../docs/reference/errors.md', import.meta.url), 'utf8')

test('the reference page is what the table of codes gives', () => {
  expect(page, 'node packages/cli/src/write-error-reference.ts').toBe(errorReference())
})

test('page and table name the same codes, both ways', () => {
  const onPage = [...page.matchAll(/^\| (SLU-\d{4}) \| `(\w+)` \|/gm)].map((row) => `${row[1]} ${row[2]}`)
  const inTable = Object.entries(ERROR_CODES).map(([name, code]) => `${code.number} ${name}`)
  expect(onPage.toSorted()).toEqual(inTable.toSorted())
})
