import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'

const candidates: number[] = []
vi.mock('node:crypto', () => ({ randomInt: () => candidates.shift() }))
/** Whatever runs on this machine, nothing listens; a look takes its time, as a real one does. */
vi.mock('node:net', () => ({
  createServer: () => ({
    once: () => undefined,
    listen: (_at: object, onListening: () => void) => setImmediate(onListening),
    close: (onClosed: () => void) => setImmediate(onClosed),
  }),
}))
const { claimPort } = await import('./free-port.ts')

let runs: string

beforeEach(() => {
  runs = mkdtempSync(join(tmpdir(), 'sluice-runs-test-'))
  mkdirSync(join(runs, 'run-a'))
  mkdirSync(join(runs, 'run-b'))
})

afterEach(() => {
  rmSync(runs, { recursive: true })
})

test('a port that another run has claimed is left alone, also while its server is stopped', async () => {
  writeFileSync(join(runs, 'run-b', 'port-20001'), '')
  candidates.push(20_001, 20_002)
  expect(await claimPort(join(runs, 'run-a'))).toBe(20_002)
  expect(existsSync(join(runs, 'run-a', 'port-20001'))).toBe(false)
})

test('a run does not get a port twice, also when two of its servers look for one at the same time', async () => {
  const claim = (): Promise<number> => claimPort(join(runs, 'run-a'))
  candidates.push(20_003, 20_003, 20_004)
  expect([await claim(), await claim()]).toEqual([20_003, 20_004])
  candidates.push(20_005, 20_005, 20_006)
  expect(await Promise.all([claim(), claim()])).toEqual([20_005, 20_006])
})
