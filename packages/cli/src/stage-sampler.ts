/**
 * Looks every few seconds how far the stages of this process are, in the databases that it has anyway, and keeps it as
 * metrics and checks: `/metrics` and `/healthz` then answer without asking a server. What could not be asked is not shown.
 *
 * Slot facts come from the source itself, so that they are there while no reader is connected.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type HealthCheck, type Logger, toSluiceError } from '@sluice/core'
import { type PostgresTarget, connect, toPostgresError } from '@sluice/postgres'
import type { Metrics } from '@sluice/telemetry'
import { type Sample, sampleOutbox, sampleParked, sampleSlot } from './stage-samples.ts'

const INTERVAL_MS = 10_000
const STATEMENT_TIMEOUT_MS = 5_000

export interface SampledReader {
  readonly lane: string
  readonly slotName: string
  readonly source: PostgresTarget
}

export interface SampledStages {
  readonly readers: readonly SampledReader[]
  readonly relays: readonly string[]
  /** Needed for relays. */
  readonly pipeline: PostgresTarget | undefined
  readonly systemName: string
  readonly projectors: readonly { readonly service: string; readonly target: PostgresTarget }[]
}

export interface StageSampler {
  /** Resolves when the signal aborts; never rejects. */
  run(signal: AbortSignal): Promise<void>
  checks(): readonly HealthCheck[]
}

interface Stage {
  readonly name: string
  readonly target: PostgresTarget
  readonly sample: Sample
}

export function createStageSampler(stages: SampledStages, metrics: Metrics, logger: Logger): StageSampler {
  const all = stagesOf(stages, metrics)
  const checks = new Map<string, readonly HealthCheck[]>()
  const look = async (stage: Stage): Promise<void> => {
    try {
      const client = await connect(stage.target, {
        applicationName: 'sluice status',
        statementTimeoutMs: STATEMENT_TIMEOUT_MS,
      })
      try {
        checks.set(stage.name, await stage.sample.read(client))
      } finally {
        await client.end()
      }
    } catch (thrown) {
      const error = toSluiceError(toPostgresError(thrown, stage.target))
      stage.sample.clear()
      logger.debug({ error, stage: stage.name }, 'could not be looked at')
      const summary = `${error.number} ${error.what}`
      checks.set(stage.name, [
        { name: stage.name, status: 'failed', summary, cause: error.why, fix: error.ways, code: error.number },
      ])
    }
  }
  return {
    checks: () => [...checks.values()].flat(),
    run: async (signal) => {
      while (!signal.aborted) {
        await Promise.all(all.map(look))
        await delay(INTERVAL_MS, undefined, { signal }).catch(() => undefined)
      }
    },
  }
}

function stagesOf(stages: SampledStages, metrics: Metrics): readonly Stage[] {
  const { pipeline, systemName } = stages
  return [
    ...stages.readers.map(({ lane, slotName, source }) => ({
      name: `slot.${lane}`,
      target: source,
      sample: sampleSlot(metrics, `slot.${lane}`, slotName),
    })),
    ...(pipeline === undefined
      ? []
      : stages.relays.map((lane) => ({
          name: `outbox.${lane}`,
          target: pipeline,
          sample: sampleOutbox(metrics, `outbox.${lane}`, systemName, lane),
        }))),
    ...stages.projectors.map(({ service, target }) => ({
      name: `parked.${service}`,
      target,
      sample: sampleParked(metrics, `parked.${service}`, service),
    })),
  ]
}
