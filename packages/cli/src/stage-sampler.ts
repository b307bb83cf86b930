/**
 * Looks every few seconds how far the stages of this process are, on the servers that it has anyway, and keeps it as metrics
 * and checks: `/metrics` and `/healthz` then answer without asking a server. What could not be asked is not shown. Each stage
 * is looked at for itself, so that a server that does not answer delays no other.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type HealthCheck, type Logger, isSluiceError, toSluiceError } from '@sluice/core'
import { connect, toPostgresError } from '@sluice/postgres'
import type { OnDatabase, Sample } from './samples/sample.ts'

const INTERVAL_MS = 10_000
const STATEMENT_TIMEOUT_MS = 5_000

export interface StageSampler {
  /** Resolves when the signal aborts; never rejects. */
  run(signal: AbortSignal): Promise<void>
  checks(): readonly HealthCheck[]
}

export function createStageSampler(samples: readonly Sample[], logger: Logger): StageSampler {
  const checks = new Map<string, readonly HealthCheck[]>()
  const look = async (sample: Sample): Promise<void> => {
    try {
      checks.set(sample.name, await sample.look(onDatabase))
    } catch (thrown) {
      const error = toSluiceError(thrown)
      sample.clear()
      logger.debug({ error, stage: sample.name }, 'could not be looked at')
      const summary = `${error.number} ${error.what}`
      checks.set(sample.name, [
        { name: sample.name, status: 'failed', summary, cause: error.why, fix: error.ways, code: error.number },
      ])
    }
  }
  const repeat = async (sample: Sample, signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      await look(sample)
      await delay(INTERVAL_MS, undefined, { signal }).catch(() => undefined)
    }
  }
  return {
    checks: () => [...checks.values()].flat(),
    run: async (signal) => {
      await Promise.all(samples.map((sample) => repeat(sample, signal)))
    },
  }
}

const onDatabase: OnDatabase = async (target, work) => {
  try {
    const client = await connect(target, {
      applicationName: 'sluice status',
      statementTimeoutMs: STATEMENT_TIMEOUT_MS,
      answerTimeoutMs: STATEMENT_TIMEOUT_MS,
      mayBePooled: true,
    })
    try {
      return await work(client)
    } finally {
      await client.end()
    }
  } catch (error) {
    throw isSluiceError(error) ? error : toPostgresError(error, target)
  }
}
