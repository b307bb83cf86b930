/**
 * Shows that the fault suite goes red: breaks the product on purpose, one line at a time, in a copy of the tree, and runs the suite
 * with the faults that must find it.
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

const FAULTS = 10
const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const LEFT_OUT = new Set(['node_modules', '.git'])
/** Lines of the suite's answer that are told. */
const ANSWER_LINES = 3

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
  const copy = copyTree()
  try {
    breakLine(copy, mutation)
    const args = ['test/faults/suite/main.ts', '--seed', values.seed, '--only', mutation.only, '--faults', String(FAULTS)]
    const { code, said } = await runNode(args, copy)
    const lines = said.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('{') && !line.startsWith('---'))
    const answer = lines.filter((line) => !/^\d+\/\d+ |^(starting|oracle:|again:)|ready \(/.test(line)).slice(1, 1 + ANSWER_LINES)
    // The suite ends with 1 for what does not hold; `again:` tells that it had come so far as to strike.
    return { name: mutation.name, isFound: code === 1 && said.includes('again: '), answer }
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
const verdicts: Verdict[] = []
for (const mutation of MUTATIONS.filter(({ name }) => wanted?.includes(name) ?? true)) {
  process.stderr.write(`${mutation.name}: ${mutation.breaks} …\n`)
  const verdict = await judge(mutation)
  verdicts.push(verdict)
  process.stderr.write(`  ${verdict.isFound ? 'found' : 'NOT FOUND'}${verdict.answer.map((line) => `\n    ${line}`).join('')}\n`)
}
const found = verdicts.filter((verdict) => verdict.isFound).length
process.stderr.write(`${found} of ${verdicts.length} mutations were found\n`)
if (values.json) process.stdout.write(`${JSON.stringify(verdicts)}\n`)
process.exit(found === verdicts.length ? 0 : 1)
