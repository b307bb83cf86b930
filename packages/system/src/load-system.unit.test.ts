import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadSystem } from './load-system.ts'

const INDEX = new URL('./index.ts', import.meta.url).href
let folder: string
let from: URL

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'sluice-system-'))
  from = pathToFileURL(`${folder}${path.sep}`)
})
afterAll(() => rm(folder, { recursive: true }))

async function write(name: string, body: string): Promise<void> {
  await writeFile(
    path.join(folder, name),
    `import { bigint, defineSystem, mapTable, table, topic } from '${INDEX}'
     const folder = new URL('./', import.meta.url)
     const t = table('t', { aggregate: 'T', key: ['id'], topic: topic('t'), columns: { id: bigint() } })
     ${body}`,
  )
}

function system(name: string, migrations: string): string {
  return `{ name: '${name}', avroSchemas: folder, monolith: { tables: [t] },
    services: { s: { migrations: ${migrations}, projections: [mapTable(t, { into: 't' })] } } }`
}

test('a definition is loaded from a relative or an absolute path', async () => {
  await write('good.ts', `export default defineSystem(${system('good', 'folder')})`)
  expect(await loadSystem('./good.ts', from)).toMatchObject({ name: 'good' })
  expect(await loadSystem(path.join(folder, 'good.ts'), from)).toMatchObject({ name: 'good' })
})

test('a missing module is told by its path', async () => {
  await expect(loadSystem('./none.ts', from)).rejects.toMatchObject({
    code: 'SYSTEM_NOT_FOUND',
    why: `${path.join(folder, 'none.ts')} does not exist`,
  })
})

test('a definition that was not given to defineSystem is checked all the same', async () => {
  await write('unchecked.ts', `export default ${system('Unchecked', 'folder')}`)
  await expect(loadSystem('./unchecked.ts', from)).rejects.toMatchObject({
    code: 'SYSTEM_INVALID',
    why: 'name: "Unchecked" must be lower case letters, digits and underscores, and begin with a letter',
  })
})

test('a folder of migrations that is not there is a mistake', async () => {
  await write('no-folder.ts', `export default defineSystem(${system('good', "new URL('./none/', folder)")})`)
  await expect(loadSystem('./no-folder.ts', from)).rejects.toMatchObject({
    code: 'SYSTEM_INVALID',
    why: `services.s.migrations: the folder ${path.join(folder, 'none')}/ does not exist`,
  })
})

test.each([
  ['no-default.ts', 'export const system = 1', 'the module: it has no default export: export default defineSystem({…})'],
  ['throws.ts', "throw new RangeError('broken')", 'the module: it can not be imported, RangeError: broken'],
  ['number.ts', 'export default 1', 'the definition: Invalid input: expected object, received number'],
])('%s says what is wrong with the module', async (name, body, why) => {
  await write(name, body)
  await expect(loadSystem(`./${name}`, from)).rejects.toMatchObject({ code: 'SYSTEM_INVALID', why })
})
