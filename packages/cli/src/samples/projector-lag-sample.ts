/**
 * How far a service is behind what is published of one lane: its own position against the lane's control topic, so that it is
 * there while no projector runs. The service is asked first: what it applies meanwhile only makes the lag smaller.
 */
import { type Offset, offsetOf } from '@sluice/core'
import { type KafkaPort, lastControlRecord } from '@sluice/kafka'
import type { PostgresTarget } from '@sluice/postgres'
import type { Metrics } from '@sluice/telemetry'
import { formatCount, formatSeconds } from '../table.ts'
import { type Sample, ageCheck } from './sample.ts'

export interface ProjectorLagPlace {
  readonly service: string
  readonly target: PostgresTarget
  readonly kafka: KafkaPort
  readonly lane: string
  readonly controlTopic: string
}

interface PositionRow {
  readonly applied: string
  /** Where the service goes on in the control topic. */
  readonly next: string
}

const POSITION = `
  SELECT coalesce((SELECT applied_position FROM public.projector_positions WHERE lane_name = $1), 0)::text AS applied,
    coalesce((SELECT next_offset FROM public.consumed_offsets WHERE topic = $2 AND partition = 0), 0)::text AS next`

export function sampleProjectorLag(metrics: Metrics, place: ProjectorLagPlace): Sample {
  const { service, target, kafka, lane, controlTopic } = place
  const name = `projector.${service}.${lane}`
  const labels = { projector: service, lane }
  return {
    name,
    clear: () => {
      metrics.projectorLagEvents.clear(labels)
      metrics.projectorLagSeconds.clear(labels)
    },
    look: async (onDatabase) => {
      const { rows } = await onDatabase(target, (client) => client.query<PositionRow>(POSITION, [lane, controlTopic]))
      const applied = BigInt(rows[0]?.applied ?? 0)
      const published = (await lastControlRecord(kafka, controlTopic))?.position ?? 0n
      const events = published > applied ? Number(published - applied) : 0
      const seconds = events === 0 ? 0 : await ageAt(kafka, controlTopic, offsetOf(rows[0]?.next ?? 0))
      metrics.projectorLagEvents.set(labels, events)
      metrics.projectorLagSeconds.set(labels, seconds)
      const summary = `${formatCount(events)} positions are published and not applied, the oldest for ${formatSeconds(seconds)}`
      return [ageCheck(name, summary, seconds)]
    },
  }
}

/** Seconds since the first control record from an offset on was written; 0 if there is none. */
async function ageAt(kafka: KafkaPort, controlTopic: string, from: Offset): Promise<number> {
  for await (const { timestampMs } of kafka.readPartition(controlTopic, 0, from)) {
    return Math.max(0, (Date.now() - timestampMs) / 1000)
  }
  return 0
}
