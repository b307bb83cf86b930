/**
 * `npm test`: every level of tests, one after the other, closing with what failed and one line of counts. A level that ends
 * without a result counts as one failure. What failed is told again at the end, since of a long output only the end may be kept.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { z } from 'zod'

const NODE_MINIMUM = [22, 18] as const
/** Characters of a failure that are told at the end. */
const FAILURE_LENGTH = 3_000
const LEVELS = ['unit', 'integration', 'e2e'] as const

interface Counts {
  passed: number
  failed: number
  skipped: number
  /** What failed, each with its file, its name and its errors. */
  failures: string[]
}

const ASSERTION = z.object({
  status: z.string(),
  fullName: z.string(),
  failureMessages: z.array(z.string()).nullish(),
})

/** The part that is read of what Vitest's `json` reporter writes. */
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
  const args = ['run', '--project', level, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  const code = await new Promise<number>((resolve, reject) => {
    const child = spawn('vitest', args, { stdio: ['ignore', 'inherit', 'inherit'] })
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
    }
  } catch (error) {
    return { passed: 0, failed: 1, skipped: 0, failures: [`${level}: no result: ${String(error)}`] }
  }
}

function failuresOf(file: z.infer<typeof REPORT>['testResults'][number]): string[] {
  const name = path.relative(process.cwd(), file.name)
  const failed = file.assertionResults.filter(({ status }) => status === 'failed')
  if (failed.length === 0 && file.status === 'failed') return [`${name}\n${file.message ?? ''}`]
  return failed.map(({ fullName, failureMessages }) => `${name} > ${fullName}\n${(failureMessages ?? []).join('\n')}`)
}

requireNode()
const folder = await mkdtemp(path.join(tmpdir(), 'sluice-test-'))
const total: Counts = { passed: 0, failed: 0, skipped: 0, failures: [] }
for (const level of LEVELS) {
  const counts = await runLevel(level, folder)
  total.passed += counts.passed
  total.failed += counts.failed
  total.skipped += counts.skipped
  total.failures.push(...counts.failures)
}
await rm(folder, { recursive: true })
for (const failure of total.failures) process.stdout.write(`\nFAILED ${failure.slice(0, FAILURE_LENGTH)}\n`)
process.stdout.write(`\n${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}\n`)
process.exitCode = total.failed > 0 ? 1 : 0
