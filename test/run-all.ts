/**
 * `npm test`: every level of tests, one after the other, closing with one line of counts. A level that ends without a
 * result counts as one failure.
 */
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

const NODE_MINIMUM = [22, 18] as const
const LEVELS = ['unit', 'integration', 'e2e'] as const

interface Counts {
  passed: number
  failed: number
  skipped: number
}

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
  const counts = await readCounts(report)
  // Vitest may end with a failure that no test carries: an unhandled rejection, a broken setup.
  if (code !== 0 && counts.failed === 0) counts.failed = 1
  return counts
}

async function readCounts(report: string): Promise<Counts> {
  try {
    const json = JSON.parse(await readFile(report, 'utf8')) as Record<string, number>
    return {
      passed: json['numPassedTests'] ?? 0,
      failed: json['numFailedTests'] ?? 0,
      skipped: (json['numPendingTests'] ?? 0) + (json['numTodoTests'] ?? 0),
    }
  } catch {
    return { passed: 0, failed: 1, skipped: 0 }
  }
}

requireNode()
const folder = await mkdtemp(path.join(tmpdir(), 'sluice-test-'))
const total: Counts = { passed: 0, failed: 0, skipped: 0 }
for (const level of LEVELS) {
  const counts = await runLevel(level, folder)
  total.passed += counts.passed
  total.failed += counts.failed
  total.skipped += counts.skipped
}
await rm(folder, { recursive: true })
process.stdout.write(`\n${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}\n`)
process.exitCode = total.failed > 0 ? 1 : 0
