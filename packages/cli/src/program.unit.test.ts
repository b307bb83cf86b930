import { PassThrough } from 'node:stream'
import type { Command } from 'commander'
import { describe, expect, test } from 'vitest'
import { layOutHelp } from './cli.ts'
import { type Dispatch, buildProgram } from './program.ts'

type Call = Parameters<Dispatch>[0]

function programFor(calls: Call[]): Command {
  const program = buildProgram('0.0.0', async (call) => void calls.push(call))
  const sink = Object.assign(new PassThrough(), { isTTY: false }) as unknown as NodeJS.WriteStream
  layOutHelp(program, { stdout: sink, stderr: sink }, () => undefined)
  return program
}

function leavesOf(command: Command): readonly Command[] {
  return command.commands.length === 0 ? [command] : command.commands.flatMap(leavesOf)
}

function everyCommand(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(everyCommand)]
}

async function parse(line: string): Promise<Call> {
  const calls: Call[] = []
  await programFor(calls).parseAsync(line.split(' '), { from: 'user' })
  return calls[0]!
}

describe('the command tree', () => {
  test('has the help that was agreed', async () => {
    const help = everyCommand(programFor([])).map((c) => `### ${c.name()}\n${c.helpInformation()}`)
    await expect(help.join('\n')).toMatchFileSnapshot('../test/help.golden.txt')
  })

  test('describes every command, and shows examples and exit codes with it', () => {
    for (const command of everyCommand(programFor([]))) {
      let text = ''
      command.configureOutput({ writeOut: (t) => (text += t) })
      command.outputHelp()
      expect(text, command.name()).toContain('Examples:')
      expect(text, command.name()).toContain('Exit codes:')
      expect(command.description(), command.name()).toMatch(/\.$/)
    }
  })

  // Loads the whole product.
  test('has an implementation behind every command', { timeout: 60_000 }, async () => {
    const calls: Call[] = []
    for (const leaf of leavesOf(programFor(calls))) {
      const path: string[] = []
      for (let at: Command | null = leaf; at.parent; at = at.parent) path.unshift(at.name())
      const args = leaf.registeredArguments.map(() => 'x')
      const port = leaf.name() === 'health' ? ['--health-port', '1'] : []
      await programFor(calls).parseAsync([...path, ...args, ...port], { from: 'user' })
      expect(calls.at(-1)?.name).toBe(path.join(' '))
      expect(typeof (await calls.at(-1)!.load()), path.join(' ')).toBe('function')
    }
  })

  test('says beforehand what it would do, wherever it changes data or structure or starts much', () => {
    const pathOf = (command: Command): string => (command.parent ? `${pathOf(command.parent)} ${command.name()}`.trim() : '')
    const rehearsed = everyCommand(programFor([])).filter((c) => c.options.some((o) => o.long === '--dry-run'))
    expect(rehearsed.map(pathOf)).toEqual([
      'demo',
      'provision',
      'migrate up',
      'migrate down',
      'migrate new',
      'backfill start',
      'backup',
      'backup due',
      'restore',
      'erase',
      'keys rotate',
      'parked retry',
      'parked edit',
      'parked skip',
    ])
  })

  test('works on one service alone, wherever it works on services', async () => {
    expect((await parse('run projector analytics')).input.args).toEqual(['analytics'])
    expect((await parse('provision --service analytics')).input.options).toMatchObject({ service: 'analytics' })
    expect((await parse('migrate up analytics')).input.args).toEqual(['analytics'])
    expect((await parse('migrate status analytics')).input.args).toEqual(['analytics'])
    expect((await parse('migrate drift analytics')).input.args).toEqual(['analytics'])
    expect((await parse('verify --service analytics')).input.options).toMatchObject({ service: 'analytics' })
    expect((await parse('backup analytics --to /backups')).input.args).toEqual(['analytics'])
    expect((await parse('restore analytics --from /backups')).input.args).toEqual(['analytics'])
  })

  test('takes global options before and after the command', async () => {
    expect((await parse('--json verify')).globals.json).toBe(true)
    expect((await parse('verify --json --system shop')).globals).toMatchObject({ json: true, system: 'shop' })
  })

  test('hands over arguments and options', async () => {
    expect((await parse('run projector analytics --health-port 9090')).input).toMatchObject({
      args: ['analytics'],
      options: { healthPort: 9090 },
    })
    expect((await parse('run reader')).input.args).toEqual([])
  })

  test('an option that a command shares with the one above it is its own', async () => {
    expect(await parse('backup due --plan p.json --dry-run')).toMatchObject({
      name: 'backup due',
      input: { options: { plan: 'p.json', dryRun: true } },
    })
    expect((await parse('backup verify /backups --pg-bin /bin')).input).toMatchObject({
      args: ['/backups'],
      options: { pgBin: '/bin' },
    })
  })

  test.each(['verfy', 'run projector', 'events --limit many', 'health --health-port 70000', 'run all --unknown'])(
    'refuses %s',
    async (line) => {
      await expect(parse(line)).rejects.toMatchObject({ exitCode: 1 })
    },
  )
})
