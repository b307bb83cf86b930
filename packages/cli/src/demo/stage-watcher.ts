/** How far each stage of a lane is, asked of the databases, for the demo's progress and for knowing that all has arrived. */
import { type PostgresTarget, connect } from '@sluice/postgres'
import { type SystemDefinition, lanesOf, subscriptionsOf } from '@sluice/system'
import type { Client } from 'pg'

export interface StagePositions {
  /** Every lane has left the initial load. */
  readonly isLoaded: boolean
  readonly stored: bigint
  readonly published: bigint
  /** Positions applied, by service, summed over its lanes. */
  readonly applied: Readonly<Record<string, bigint>>
  /** Positions stored in the lanes that the service consumes. */
  readonly wanted: Readonly<Record<string, bigint>>
}

/** Keeps one connection a database; `close` ends them. */
export class StageWatcher {
  readonly #system: SystemDefinition
  readonly #pipeline: Client
  readonly #services: ReadonlyMap<string, Client>

  private constructor(system: SystemDefinition, pipeline: Client, services: ReadonlyMap<string, Client>) {
    this.#system = system
    this.#pipeline = pipeline
    this.#services = services
  }

  static async open(
    system: SystemDefinition,
    pipeline: PostgresTarget,
    services: Readonly<Record<string, PostgresTarget>>,
  ): Promise<StageWatcher> {
    const options = { applicationName: 'sluice demo', statementTimeoutMs: 10_000 }
    const clients = new Map<string, Client>()
    for (const [service, target] of Object.entries(services)) clients.set(service, await connect(target, options))
    return new StageWatcher(system, await connect(pipeline, options), clients)
  }

  async read(): Promise<StagePositions> {
    const applied: Record<string, bigint> = {}
    const at = new Map<string, ReadonlyMap<string, bigint>>()
    for (const [service, client] of this.#services) {
      const { rows } = await client.query<{ lane: string; position: string }>(
        'SELECT lane_name AS lane, applied_position AS position FROM projector_positions',
      )
      at.set(service, new Map(rows.map((r) => [r.lane, BigInt(r.position)])))
      applied[service] = rows.reduce((sum, r) => sum + BigInt(r.position), 0n)
    }
    // The store is read last, so that it is never behind the services.
    const { rows: lanes } = await this.#pipeline.query<{ lane: string; phase: string; stored: string; published: string }>(
      `SELECT l.lane_name AS lane, l.phase, l.position AS stored, coalesce(r.position, 0) AS published
       FROM lanes l LEFT JOIN relay_progress r ON r.lane = l.lane WHERE l.system_name = $1`,
      [this.#system.name],
    )
    const stored = new Map(lanes.map((l) => [l.lane, BigInt(l.stored)]))
    const wanted: Record<string, bigint> = {}
    for (const service of this.#services.keys()) {
      wanted[service] = subscriptionsOf(this.#system, service).reduce((sum, { lane }) => sum + (stored.get(lane.name) ?? 0n), 0n)
    }
    return {
      isLoaded: areLoaded(this.#system, lanes),
      stored: sum(stored.values()),
      published: lanes.reduce((total, l) => total + BigInt(l.published), 0n),
      applied,
      wanted,
    }
  }

  /** Time of the pipeline's server, ISO. */
  async now(): Promise<string> {
    const { rows } = await this.#pipeline.query<{ now: Date }>('SELECT clock_timestamp() AS now')
    return rows[0]!.now.toISOString()
  }

  async close(): Promise<void> {
    for (const client of [this.#pipeline, ...this.#services.values()]) await client.end()
  }
}

/** @param lanes Those that there are; each is made in its own time. */
export function areLoaded(
  system: SystemDefinition,
  lanes: readonly { readonly lane: string; readonly phase: string }[],
): boolean {
  return lanesOf(system).every(({ name }) => lanes.some(({ lane, phase }) => lane === name && phase === 'streaming'))
}

/** Every service has applied what was wanted of it then. */
export function hasReached({ applied }: Pick<StagePositions, 'applied'>, wanted: StagePositions['wanted']): boolean {
  return Object.entries(wanted).every(([service, position]) => (applied[service] ?? 0n) >= position)
}

function sum(values: Iterable<bigint>): bigint {
  let total = 0n
  for (const value of values) total += value
  return total
}
