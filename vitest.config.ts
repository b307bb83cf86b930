import { defineConfig } from 'vitest/config'
import { LatePartsLast } from './test/late-parts-last.ts'

/** Every level takes the seed of its properties from `SLUICE_TEST_SEED`. */
const PROPERTY_SEED = ['./test/property-seed.ts']

/**
 * The level of a test is in its file's name. Integration tests share one set of real servers (globalSetup) and make
 * databases, slots, topics and groups of their own. No retries: a flake is a fault.
 */
export default defineConfig({
  test: {
    reporters: ['default'],
    sequence: { sequencer: LatePartsLast },
    projects: [
      {
        test: {
          name: 'unit',
          setupFiles: PROPERTY_SEED,
          include: ['{packages,schemas}/*/**/*.unit.test.ts', 'infra/**/*.unit.test.ts', 'test/**/*.unit.test.ts'],
          testTimeout: 10_000,
        },
      },
      {
        test: {
          name: 'integration',
          setupFiles: PROPERTY_SEED,
          include: ['{packages,schemas}/*/**/*.int.test.ts', 'infra/**/*.int.test.ts', 'test/**/*.int.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 180_000,
          globalSetup: ['./infra/src/vitest-servers.ts'],
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'e2e',
          setupFiles: PROPERTY_SEED,
          include: ['test/**/*.e2e.test.ts'],
          testTimeout: 900_000,
          hookTimeout: 900_000,
          fileParallelism: false,
        },
      },
    ],
  },
})
