import { afterEach, expect, test, vi } from 'vitest'
import { requireJava, requireMaven } from './required-tool.ts'

afterEach(() => {
  vi.unstubAllEnvs()
})

test.each([
  ['java', requireJava],
  ['mvn', requireMaven],
])('without %s on the path, the error says what to install', (program, require) => {
  vi.stubEnv('PATH', '/nowhere')
  expect(require).toThrow(
    expect.objectContaining({ code: 'TOOL_MISSING', what: expect.stringContaining(program) as string }) as Error,
  )
})
