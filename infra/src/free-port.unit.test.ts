import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'

const candidates: number[] = []
vi.mock('node:crypto', () => ({ randomInt: () => candidates.shift() }))
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

test('a run does not get a port twice', async () => {
  candidates.push(20_003, 20_003, 20_004)
  expect([await claimPort(join(runs, 'run-a')), await claimPort(join(runs, 'run-a'))]).toEqual([20_003, 20_004])
})
