/** The runbooks: every command that they name exists, with the options that it is given. */
import { readFile, readdir } from 'node:fs/promises'
import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { layOutHelp } from '../../packages/cli/src/cli.ts'
import { buildProgram } from '../../packages/cli/src/program.ts'

const FOLDER = new URL('../../docs/runbooks/', import.meta.url)
const SECTIONS = ['Before', 'Provision and migrate', 'Load and run', 'Watch', 'Verify', 'When something fails', 'Back']

const pages = await Promise.all(
  (await readdir(FOLDER)).map(async (file) => ({ file, text: await readFile(new URL(file, FOLDER), 'utf8') })),
)

/** Whole lines of the blocks, and what stands in the text as code. */
function commandsIn(text: string): readonly string[] {
  const blocks = [...text.matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap(([, block]) => block!.split('\n'))
  const inline = [...text.replaceAll(/^```[\s\S]*?^```/gm, '').matchAll(/`([^`]+)`/g)].map(([, code]) => code!)
  return [...blocks, ...inline].filter((line) => line.startsWith('sluice '))
}

/** As a shell cuts it; what stands in `<…>` is one word. */
function wordsOf(command: string): readonly string[] {
  return (command.replace(/^sluice /, '').match(/'[^']*'|"[^"]*"|<[^>]*>|\S+/g) ?? []).map((word) =>
    word.replaceAll(/^['"]|['"]$/g, ''),
  )
}

async function parsed(command: string): Promise<string> {
  let called = ''
  const program = buildProgram('0.0.0', async (call) => {
    called = call.name
  })
  const sink = Object.assign(new PassThrough(), { isTTY: false }) as unknown as NodeJS.WriteStream
  layOutHelp(program, { stdout: sink, stderr: sink }, () => undefined)
  await program.parseAsync([...wordsOf(command)], { from: 'user' })
  return called
}

test('there is a runbook for each system that the page of systems has', async () => {
  const systems = [...(await readFile(new URL('../systems.md', FOLDER), 'utf8')).matchAll(/^## (\S+)$/gm)].map(
    ([, name]) => `${name!}.md`,
  )
  expect(pages.map(({ file }) => file)).toEqual(expect.arrayContaining(systems))
})

describe.each(pages)('$file', ({ text }) => {
  test('goes from what comes before to the way back', () => {
    expect([...text.matchAll(/^## (.*)$/gm)].map(([, title]) => title)).toEqual(SECTIONS)
  })

  test('names no command, and no option, that does not exist', async () => {
    const commands = commandsIn(text)
    expect(commands.length).toBeGreaterThan(10)
    const unknown: string[] = []
    for (const command of commands) {
      await parsed(command).then(
        (called) => called !== '' || unknown.push(command),
        () => unknown.push(command),
      )
    }
    expect(unknown).toEqual([])
  })
})

test('a command that does not exist is found', async () => {
  await expect(parsed('sluice verify --servcie samples')).rejects.toMatchObject({ exitCode: 1 })
  await expect(parsed('sluice verfy')).rejects.toMatchObject({ exitCode: 1 })
})
