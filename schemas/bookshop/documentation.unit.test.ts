import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'

const ROOT = new URL('../../', import.meta.url)
const page = await readFile(new URL('docs/system-definition.md', ROOT), 'utf8')
const examples = [...page.matchAll(/^```ts (\S+)\n([\s\S]*?)^```$/gm)].map(([, file, text]): [string, string] => [file!, text!])

test('the page has its examples', () => {
  expect(examples.length).toBeGreaterThan(5)
})

test.each(examples)('an example in docs/system-definition.md is what %s says', async (file, text) => {
  expect(await readFile(new URL(file, ROOT), 'utf8')).toContain(text.trimEnd())
})
