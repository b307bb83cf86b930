/**
 * `npm test`: every level of tests, one after the other, closing with what failed, with the counts of docs/systems.md and with one
 * line of counts. A level that ends without a result counts as one failure, and so do proofs of docs/systems.md that did not run,
 * together. What failed is told again at the end, since of a long output only the end may be kept.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { type TestRun, proofsThatRan } from './docs/proofs-that-ran.ts'
import { systemsIn } from './docs/requirements.ts'

const NODE_MINIMUM = [22, 18] as const
/** Characters of a failure that are told at the end. */
const FAILURE_LENGTH = 3_000
const LEVELS = ['unit', 'integration', 'e2e'] as const
const SYSTEMS_PAGE = fileURLToPath(new URL('../docs/systems.md', import.meta.url))
const SKIP_REASONS = fileURLToPath(new URL('skip-reasons.ts', import.meta.url))
const GET_PARTS_AHEAD = fileURLToPath(new URL('../infra/src/get-parts-ahead.ts', import.meta.url))

interface Counts {
  passed: number
  failed: number
  skipped: number
  /** What failed, each with its file, its name and its errors. */
  failures: string[]
  runs: TestRun[]
}

const ASSERTION = z.object({
  status: z.string(),
  title: z.string(),
  fullName: z.string(),
  failureMessages: z.array(z.string()).nullish(),
  meta: z.object({ skipReason: z.string().optional() }),
})

/** The part that is read of what Vitest's `json` reporter writes, and test/skip-reasons.ts adds. */
const REPORT = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  numTodoTests: z.number(),
  testResults: z.array(
    z.object({ name: z.string(), status: z.string(), message: z.string().nullish(), assertionResults: z.array(ASSERTION) }),
  ),
})

function requireNode(): void {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major > NODE_MINIMUM[0] || (major === NODE_MINIMUM[0] && minor >= NODE_MINIMUM[1])) return
  process.stderr.write(
    `Node ${process.versions.node} runs this, ${NODE_MINIMUM.join('.')} or newer is needed: run it through npm, after npm install\n`,
  )
  process.exit(3)
}

async function runLevel(level: string, folder: string): Promise<Counts> {
  const report = path.join(folder, `${level}.json`)
  const reporters = ['--reporter=default', `--reporter=${SKIP_REASONS}`, '--reporter=json', `--outputFile.json=${report}`]
  const code = await new Promise<number>((resolve, reject) => {
    const child = spawn('vitest', ['run', '--project', level, ...reporters], { stdio: ['ignore', 'inherit', 'inherit'] })
    child.once('error', reject)
    child.once('exit', (exitCode) => resolve(exitCode ?? 1))
  })
  const counts = await readCounts(level, report)
  // Vitest may end with a failure that no test carries: an unhandled rejection, a broken setup.
  if (code !== 0 && counts.failed === 0) {
    counts.failed = 1
    if (counts.failures.length === 0)
      counts.failures.push(`${level}: Vitest ended with exit code ${code}, and no test carries the failure`)
  }
  return counts
}

async function readCounts(level: string, report: string): Promise<Counts> {
  try {
    const read = REPORT.parse(JSON.parse(await readFile(report, 'utf8')))
    return {
      passed: read.numPassedTests,
      failed: read.numFailedTests,
      skipped: read.numPendingTests + read.numTodoTests,
      failures: read.testResults.flatMap(failuresOf),
      runs: read.testResults.flatMap(runsOf),
    }
  } catch (error) {
    return { passed: 0, failed: 1, skipped: 0, failures: [`${level}: no result: ${String(error)}`], runs: [] }
  }
}

type FileResult = z.infer<typeof REPORT>['testResults'][number]

function runsOf({ name: file, assertionResults }: FileResult): TestRun[] {
  return assertionResults.map(({ title, status, meta }) => ({ file, title, status, skipReason: meta.skipReason }))
}

function failuresOf(file: FileResult): string[] {
  const name = path.relative(process.cwd(), file.name)
  const failed = file.assertionResults.filter(({ status }) => status === 'failed')
  if (failed.length === 0 && file.status === 'failed') return [`${name}\n${file.message ?? ''}`]
  return failed.map(({ fullName, failureMessages }) => `${name} > ${fullName}\n${(failureMessages ?? []).join('\n')}`)
}

requireNode()
// Beside the tests, and ended with them: those that need its parts wait for them.
const ahead = spawn(process.execPath, [GET_PARTS_AHEAD], { stdio: 'ignore' })
ahead.unref()
const folder = await mkdtemp(path.join(tmpdir(), 'sluice-test-'))
const total: Counts = { passed: 0, failed: 0, skipped: 0, failures: [], runs: [] }
for (const level of LEVELS) {
  const counts = await runLevel(level, folder)
  total.passed += counts.passed
  total.failed += counts.failed
  total.skipped += counts.skipped
  total.failures.push(...counts.failures)
  total.runs.push(...counts.runs)
}
await rm(folder, { recursive: true })
ahead.kill()
const { counts, notHere, notRun } = proofsThatRan(systemsIn(await readFile(SYSTEMS_PAGE, 'utf8')), SYSTEMS_PAGE, total.runs)
if (notRun.length > 0) {
  total.failed += 1
  total.failures.push(`docs/systems.md: ${notRun.length} proofs did not run\n${notRun.join('\n')}`)
}
for (const failure of total.failures) process.stdout.write(`\nFAILED ${failure.slice(0, FAILURE_LENGTH)}\n`)
process.stdout.write(`\ndocs/systems.md\n${counts.join('\n')}\n`)
for (const line of notHere) process.stdout.write(`NOT RUN HERE ${line}\n`)
process.stdout.write(`\n${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}\n`)
process.exitCode = total.failed > 0 ? 1 : 0
