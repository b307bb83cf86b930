/**
 * What must hold at any moment, asked cheaply after every fault: only the stretch since the last time is read.
 */
import { untilReady, overfullQueues } from './process-signs.ts'
import { LANE, type Stage } from './stage.ts'

/** The bound on every process of Sluice. */
const RSS_BYTES_MAX = 512 * 1024 ** 2

export class StandingChecks {
  readonly #stage: Stage
  #through = new Map<number, number>()
  readonly #applied = new Map<string, number>()

  constructor(stage: Stage) {
    this.#stage = stage
  }

  /** @returns a line for each thing that does not hold */
  async problems(): Promise<readonly string[]> {
    return [...(await this.problemsOfData()), ...(await this.#processes())]
  }

  /** The same of what is stored and applied alone, for a moment when not every process runs. */
  async problemsOfData(): Promise<readonly string[]> {
    return [...(await this.#store()), ...(await this.#services())]
  }

  /** Positions without gaps, versions without gaps up to the aggregate's head, nothing published that is not stored, nothing parked. */
  async #store(): Promise<readonly string[]> {
    const pipeline = await this.#stage.system.client('pipeline')
    const lanes = [...this.#through.keys()]
    const { rows } = await pipeline.query<{
      lane: number
      before: string
      position: string
      events: string
      published: string
      gaps: string
      parked: string
    }>(
      `WITH marks AS (SELECT l.lane, l.position, coalesce(m.through, 0) AS before FROM lanes l
         LEFT JOIN unnest($1::integer[], $2::bigint[]) AS m (lane, through) ON m.lane = l.lane),
       stretch AS (SELECT e.lane, e.aggregate_type, e.aggregate_id, e.event_version FROM marks m
         JOIN event_store e ON e.lane = m.lane AND e.position > m.before),
       moved AS (SELECT aggregate_type, aggregate_id, min(event_version) AS first, max(event_version) AS last, count(*) AS events
         FROM stretch GROUP BY aggregate_type, aggregate_id)
       SELECT m.lane, m.before::text, m.position::text,
         (SELECT count(*) FROM stretch s WHERE s.lane = m.lane)::text AS events,
         coalesce((SELECT r.position FROM relay_progress r WHERE r.lane = m.lane), 0)::text AS published,
         (SELECT count(*) FROM moved v LEFT JOIN aggregate_heads h USING (aggregate_type, aggregate_id)
          WHERE v.last - v.first + 1 <> v.events OR h.event_version IS DISTINCT FROM v.last)::text AS gaps,
         (SELECT count(*) FROM relay_parked_events k WHERE k.lane = m.lane)::text AS parked
       FROM marks m`,
      [lanes, lanes.map((lane) => this.#through.get(lane))],
    )
    this.#through = new Map(rows.map((row) => [row.lane, Number(row.position)]))
    return rows.flatMap(({ lane, before, position, events, published, gaps, parked }) => [
      ...(Number(position) - Number(before) === Number(events)
        ? []
        : [`lane ${lane}: ${events} events in the store from ${before} to ${position}`]),
      ...(Number(published) <= Number(position) ? [] : [`lane ${lane}: published up to ${published}, stored up to ${position}`]),
      ...(gaps === '0' ? [] : [`lane ${lane}: ${gaps} aggregates whose versions have gaps or miss their head`]),
      ...(parked === '0' ? [] : [`lane ${lane}: ${parked} events are parked at the relay`]),
    ])
  }

  /** No position goes back, none is ahead of the store, nothing is parked. */
  async #services(): Promise<readonly string[]> {
    const { system } = this.#stage
    const problems: string[] = []
    for (const service of system.services) {
      const applied = await system.appliedPosition(service, LANE)
      const before = this.#applied.get(service) ?? 0
      if (applied < before) problems.push(`${service}: applied up to ${applied}, it was ${before} before`)
      this.#applied.set(service, applied)
      // Asked after the service, so that it can only be further by now.
      const stored = await system.storedPosition(LANE)
      if (applied > stored) problems.push(`${service}: applied up to ${applied}, stored up to ${stored}`)
      const { rows } = await (
        await system.client(service)
      ).query<{ parked: string }>('SELECT count(*)::text AS parked FROM parked_events')
      if (rows[0]?.parked !== '0') problems.push(`${service}: ${rows[0]?.parked} events are parked`)
    }
    return problems
  }

  /** Every process says that all of it works again, and stays within its bounds of memory: of its queues, and as a whole. */
  async #processes(): Promise<readonly string[]> {
    const problems: string[] = []
    for (const name of this.#stage.processes.names) {
      await untilReady(this.#stage, name)
      problems.push(...(await overfullQueues(this.#stage.processes.get(name))).map((problem) => `${name}: ${problem}`))
      const rss = this.#stage.processes.get(name).rssMaxBytes()
      if (rss > RSS_BYTES_MAX) problems.push(`${name}: ${Math.round(rss / 1024 ** 2)} MiB resident`)
    }
    return problems
  }
}
