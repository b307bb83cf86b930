/** A property that failed prints its seed: given back by `SLUICE_TEST_SEED`, it draws the same values, at every level of tests. */
import fc from 'fast-check'
import { afterEach, expect, test, vi } from 'vitest'
import config from '../vitest.config.ts'

const earlier = fc.readConfigureGlobal()

afterEach(() => {
  vi.unstubAllEnvs()
  fc.configureGlobal(earlier)
})

/** A run of Vitest with a seed, as far as a test file has begun. */
async function begin(seed: string): Promise<void> {
  vi.stubEnv('SLUICE_TEST_SEED', seed)
  vi.resetModules()
  await import('./property-seed.ts')
}

/** What a property that never holds prints, and the values it met first. */
function failure(): { readonly message: string; readonly values: unknown } {
  const details = fc.check(
    fc.property(fc.array(fc.integer(), { minLength: 10 }), () => false),
    { endOnFailure: true },
  )
  return { message: fc.defaultReportMessage(details) ?? '', values: details.counterexample }
}

test('the seed that a failure prints brings the same values again', async () => {
  const first = failure()
  const printed = /\bseed: (-?\d+)/.exec(first.message)?.[1]
  await begin(printed ?? 'none')
  expect(failure()).toEqual(first)
  await begin('-7')
  expect(failure().values).not.toEqual(first.values)
})

test('a seed that is no number is refused, and not taken for another', async () => {
  await expect(begin('seven')).rejects.toThrow('SLUICE_TEST_SEED is a whole number, not "seven"')
})

test('every level of tests takes the seed', () => {
  const level = { test: { setupFiles: ['./test/property-seed.ts'] } }
  expect(config.test?.projects).toMatchObject([level, level, level])
})
