/**
 * The fault suite's short form: the suite itself, as `npm run test:faults` starts it, in one round with a few kinds, so that whatever
 * strikes there has struck before. docs/faults.md speaks of the whole.
 *
 * The seed is printed; SLUICE_TEST_SEED=N replays the choice of order, places, passes and sizes.
 */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { z } from 'zod'

const SUITE = fileURLToPath(new URL('suite/main.ts', import.meta.url))

/**
 * Of every file of `suite/strikes` but the rebalance's, which takes long; test/e2e/shared-projectors.e2e.test.ts has one. At most ten
 * that strike while the lane streams: a round with more of them has a transaction of 100,000 rows beside.
 */
const KINDS = [
  'reader.chunk-stored',
  'reader.after-copy',
  'relay.claim-stored',
  'kill-relay',
  'projector.before-commit',
  'parked.after-commit',
  'crash-kafka',
  'stop-pipeline',
  'cut-kafka',
  'disk-full',
  'clock-step',
  'slot-dropped',
]

/** What the suite says where something does not hold: what, where everything stands, and the end of what each process said. */
const FINDING = /^(found after|before any fault struck)/m
const LAST_LINES = 40
/** Below the limit of a test: what the suite said last is told then too. */
const LIMIT_MS = 840_000

/** The part that is read of what the suite prints with `--json`. */
const SUMMARY = z.object({
  faults: z.number(),
  kinds: z.record(z.string(), z.object({ faults: z.number() })),
  oracle: z.object({
    events: z.number(),
    changes: z.number(),
    lost: z.number(),
    doubled: z.number(),
    outOfOrder: z.number(),
  }),
})

test(`the fault suite with a fault of each of ${KINDS.length} kinds: nothing lost, nothing doubled, nothing out of order`, async ({
  signal,
}) => {
  const seed = Number(process.env['SLUICE_TEST_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  process.stderr.write(`fault suite: seed ${seed}\n`)
  const args = ['--seed', String(seed), '--only', KINDS.join(','), '--faults', String(KINDS.length), '--json']
  const { code, stdout, stderr } = await runSuite(args, signal)
  expect(code, lastLines(stderr)).toBe(0)
  const { faults, kinds, oracle } = SUMMARY.parse(JSON.parse(stdout))
  expect(faults).toBe(KINDS.length)
  expect(kinds).toEqual(Object.fromEntries(KINDS.map((kind) => [kind, { faults: 1 }])))
  expect(oracle).toMatchObject({ lost: 0, doubled: 0, outOfOrder: 0 })
  expect(oracle.events).toBeGreaterThan(0)
  expect(oracle.changes).toBeGreaterThan(0)
})

interface SuiteEnd {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** @param signal ends the suite, and with it its processes and servers */
function runSuite(args: readonly string[], signal: AbortSignal): Promise<SuiteEnd> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [SUITE, ...args], { stdio: ['ignore', 'pipe', 'pipe'], signal, timeout: LIMIT_MS })
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString()
      process.stderr.write(chunk)
    })
    child.once('error', reject)
    child.once('close', (code) => resolve({ code, stdout, stderr }))
  })
}

/** From its finding on; where it has told none, the end of what it said. */
function lastLines(said: string): string {
  const finding = said.search(FINDING)
  return finding === -1 ? said.split('\n').slice(-LAST_LINES).join('\n') : said.slice(finding)
}
