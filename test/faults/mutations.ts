/**
 * Shows that the fault suite goes red: breaks the product on purpose, one line at a time, in a copy of the tree, and runs the suite
 * with the faults that must find it. Before that the unbroken copy runs with one fault of each of these kinds, and must hold: else a red
 * run would prove nothing.
 *
 *   node test/faults/mutations.ts [--only NAME,...] [--seed N] [--json]
 *
 * A line that is not there any more, or there twice, fails at once: a mutation that breaks nothing would prove nothing.
 */
import { spawn } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { MUTATIONS, type Mutation } from './mutation-list.ts'
import { kindsNamed } from './suite/fault-kinds.ts'

const FAULTS = 10
const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const LEFT_OUT = new Set(['node_modules', '.git'])
/** Lines of the suite's answer that are told. */
const ANSWER_LINES = 4

const { values } = parseArgs({
  options: { only: { type: 'string' }, seed: { type: 'string', default: '1' }, json: { type: 'boolean', default: false } },
})

/** A copy whose packages are its own; what they depend on stays where it is. */
function copyTree(): string {
  const copy = mkdtempSync(join(tmpdir(), 'sluice-mutation-'))
  const nested: string[] = []
  cpSync(ROOT, copy, {
    recursive: true,
    filter: (path) => {
      const place = relative(ROOT, path)
      const name = basename(path)
      if (name === 'node_modules' && place !== name) nested.push(place)
      return !LEFT_OUT.has(name)
    },
  })
  for (const place of nested) symlinkSync(join(ROOT, place), join(copy, place))
  const [from, to] = [join(ROOT, 'node_modules'), join(copy, 'node_modules')]
  mkdirSync(join(to, '@sluice'), { recursive: true })
  for (const entry of readdirSync(from)) if (entry !== '@sluice') symlinkSync(join(from, entry), join(to, entry))
  for (const name of readdirSync(join(from, '@sluice'))) {
    symlinkSync(readlinkSync(join(from, '@sluice', name)), join(to, '@sluice', name))
  }
  return copy
}

/** @throws Error if the line is not there exactly once */
function breakLine(copy: string, { name, file, line, broken }: Mutation): void {
  const path = join(copy, file)
  const source = readFileSync(path, 'utf8')
  const found = source.split(line).length - 1
  if (found !== 1) throw new Error(`${name}: its line is ${found} times in ${file}; bring the mutation up to date`)
  writeFileSync(
    path,
    source.replace(line, () => broken),
  )
}

interface Verdict {
  readonly name: string
  readonly isFound: boolean
  readonly answer: readonly string[]
}

async function judge(mutation: Mutation): Promise<Verdict> {
  const { code, said } = await runSuite(mutation.only, FAULTS, (copy) => breakLine(copy, mutation))
  const lines = said.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('{') && !line.startsWith('---'))
  const answer = lines.filter((line) => !/^\d+\/\d+ |^(starting|oracle:|again:)|ready \(/.test(line)).slice(1, 1 + ANSWER_LINES)
  // Before a fault struck the suite ends with another code: a server that does not start, or a broken file, has found nothing.
  return { name: mutation.name, isFound: code === 1 && /^found after /m.test(said), answer }
}

/** @throws Error with what was said, unless the unbroken product holds */
async function expectUnbroken(mutations: readonly Mutation[]): Promise<void> {
  const only = mutations.map((mutation) => mutation.only).join(',')
  const { code, said } = await runSuite(only, kindsNamed(only.split(',')).length, () => undefined)
  if (code !== 0) throw new Error(`the unbroken product does not hold, so no mutation would prove anything:\n${said}`)
}

/** The suite in a copy of the tree, after `change` was made to it. */
async function runSuite(only: string, faults: number, change: (copy: string) => void): ReturnType<typeof runNode> {
  const copy = copyTree()
  try {
    change(copy)
    const args = ['test/faults/suite/main.ts', '--seed', values.seed, '--only', only, '--faults', String(faults)]
    return await runNode(args, copy)
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
}

function runNode(args: readonly string[], cwd: string): Promise<{ readonly code: number | null; readonly said: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'ignore', 'pipe'] })
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, said }))
  })
}

const wanted = values.only?.split(',')
const unknown = wanted?.filter((name) => !MUTATIONS.some((mutation) => mutation.name === name)) ?? []
if (unknown.length > 0) {
  process.stderr.write(`no such mutation: ${unknown.join(', ')}; there are ${MUTATIONS.map(({ name }) => name).join(', ')}\n`)
  process.exit(2)
}
const mutations = MUTATIONS.filter(({ name }) => wanted?.includes(name) ?? true)
process.stderr.write('unbroken …\n')
await expectUnbroken(mutations)
const verdicts: Verdict[] = []
for (const mutation of mutations) {
  process.stderr.write(`${mutation.name}: ${mutation.breaks} …\n`)
  const verdict = await judge(mutation)
  verdicts.push(verdict)
  process.stderr.write(`  ${verdict.isFound ? 'found' : 'NOT FOUND'}${verdict.answer.map((line) => `\n    ${line}`).join('')}\n`)
}
const found = verdicts.filter((verdict) => verdict.isFound).length
process.stderr.write(`${found} of ${verdicts.length} mutations were found\n`)
if (values.json) process.stdout.write(`${JSON.stringify(verdicts)}\n`)
process.exit(found === verdicts.length ? 0 : 1)
