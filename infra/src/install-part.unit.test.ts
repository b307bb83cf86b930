import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { installPinned, type Download } from './install-part.ts'
import type { Part } from './parts.ts'

const CONTENT = 'bytes of a jar'
const part: Part = {
  version: '1',
  files: [{ name: 'a.jar', bytes: CONTENT.length, sha256: createHash('sha256').update(CONTENT).digest('hex') }],
}
const nothing = () => undefined
let cache: string

beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), 'sluice-cache-test-'))
  vi.stubEnv('SLUICE_CACHE_DIR', cache)
})

afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(cache, { recursive: true })
})

function downloadOf(content: string) {
  return vi.fn<Download>(async (_name, _part, folder) => {
    writeFileSync(join(folder, 'a.jar'), content)
  })
}

test('a part is downloaded once, also when two ask at the same time', async () => {
  const download = downloadOf(CONTENT)
  const install = () => installPinned('kafka', part, download, nothing)
  const [first, second] = await Promise.all([install(), install()])
  expect(second).toBe(first)
  expect(await install()).toBe(first)
  expect(readFileSync(join(first, 'a.jar'), 'utf8')).toBe(CONTENT)
  expect(download).toHaveBeenCalledOnce()
})

test('a file with another checksum is refused and nothing of it stays', async () => {
  const wrong = downloadOf('bytes of a jaR')
  await expect(installPinned('kafka', part, wrong, nothing)).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' })
  expect(readdirSync(cache)).toEqual([])
})

test('a cached file that was cut short is fetched again', async () => {
  const download = downloadOf(CONTENT)
  const folder = await installPinned('kafka', part, download, nothing)
  writeFileSync(join(folder, 'a.jar'), 'bytes')
  expect(await installPinned('kafka', part, download, nothing)).toBe(folder)
  expect(readFileSync(join(folder, 'a.jar'), 'utf8')).toBe(CONTENT)
})

test('what a killed installation left is removed by the next, its lock taken over', async () => {
  mkdirSync(join(cache, 'staging-kafka-killed'))
  writeFileSync(join(cache, 'kafka.lock'), JSON.stringify({ pid: process.pid, startedAt: 'long ago' }))
  const folder = await installPinned('kafka', part, downloadOf(CONTENT), nothing)
  expect(readdirSync(cache)).toEqual([folder.slice(cache.length + 1)])
})
