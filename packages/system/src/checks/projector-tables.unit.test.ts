import { readFile, readdir } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { PROJECTOR_TABLES } from './projector-tables.ts'

const MIGRATIONS = new URL('../../../projector/migrations/', import.meta.url)

test("no projection may write a table or view of the projector's own migrations", async () => {
  const files = (await readdir(MIGRATIONS)).filter((name) => name.endsWith('.sql'))
  const texts = await Promise.all(files.map((name) => readFile(new URL(name, MIGRATIONS), 'utf8')))
  const made = texts.flatMap((text) => [...text.matchAll(/^CREATE (?:TABLE|VIEW) (\w+)/gm)].map((match) => match[1]))
  expect([...PROJECTOR_TABLES].sort()).toEqual(made.sort())
})
