import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-compiled-'))
})
afterEach(() => {
  rmSync(folder, { recursive: true })
})

function version(cacheHome: string): string {
  const env = { PATH: process.env['PATH'], XDG_CACHE_HOME: cacheHome }
  return execFileSync(process.execPath, [MAIN, '--version'], { env, encoding: 'utf8' })
}

test('compiled code is kept in a folder of the user alone', () => {
  expect(version(folder)).toMatch(/^\d+\.\d+\.\d+\n$/)
  const kept = join(folder, 'sluice', 'compiled')
  expect(readdirSync(kept)).not.toEqual([])
  expect(statSync(kept).mode & 0o777).toBe(0o700)
})

test('a command runs where nothing can be kept', () => {
  expect(version('/dev/null')).toMatch(/^\d+\.\d+\.\d+\n$/)
})
