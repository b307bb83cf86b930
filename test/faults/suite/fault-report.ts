/** What a run saw: a line a fault while it runs, and the counts at its end. */
import type { ChangesReport } from '../../oracle/same-changes.ts'
import type { PipelineReport } from '../../oracle/whole-pipeline.ts'

export interface FaultSeen {
  readonly kind: string
  readonly place: string
  /** Events that were on their way when it struck. */
  readonly inFlight: number
  readonly recoveryMs: number
}

export interface KindSummary {
  readonly faults: number
  readonly recoveryMsMedian: number
  readonly recoveryMsMax: number
}

export interface FaultSummary {
  readonly seed: number
  readonly postgres: string
  readonly faults: number
  /** Struck while nothing was on its way: struck again, and not counted. */
  readonly notCounted: number
  readonly kinds: Readonly<Record<string, KindSummary>>
  /** Over all rounds. */
  /** Events of the largest transaction that was stored. */
  readonly largestCommit: number
  readonly oracle: Omit<PipelineReport, 'problems'> & { readonly rounds: number }
  readonly ms: number
}

export class FaultReport {
  readonly #startedAt = performance.now()
  readonly #seen: FaultSeen[] = []
  readonly #oracle = { rounds: 0, events: 0, changes: 0, messages: 0, rows: 0, lost: 0, doubled: 0, outOfOrder: 0 }
  readonly #planned: readonly string[]
  readonly #say: (line: string) => void
  #notCounted = 0
  #largestCommit = 0
  #largestExpected = 0
  #struckLast: string | null = null

  /** @param planned kind of every fault of the run */
  constructor(planned: readonly string[], say: (line: string) => void) {
    this.#planned = planned
    this.#say = say
  }

  /** A fault of this kind strikes from now on. */
  strikes(kind: string): void {
    this.#struckLast = kind
  }

  /** Kind of the fault that struck last; null while none did. */
  get struckLast(): string | null {
    return this.#struckLast
  }

  /** @returns a line for each kind of which fewer faults counted than were planned, and one if no transaction was as large as was meant */
  lacking(): readonly string[] {
    const counted = (kind: string): number => this.#seen.filter((fault) => fault.kind === kind).length
    const kinds = [...Map.groupBy(this.#planned, (kind) => kind)].flatMap(([kind, { length }]) =>
      counted(kind) < length ? [`${kind}: ${counted(kind)} of ${length} planned faults counted`] : [],
    )
    if (this.#largestCommit >= this.#largestExpected) return kinds
    return [
      ...kinds,
      `the largest transaction that was stored has ${this.#largestCommit} events, not ${this.#largestExpected} or more`,
    ]
  }

  /** The run makes a transaction that is stored with so many events or more. */
  expectsCommitOf(events: number): void {
    this.#largestExpected = Math.max(this.#largestExpected, events)
  }

  /** @param events of a transaction that is stored */
  addCommit(events: number): void {
    this.#largestCommit = Math.max(this.#largestCommit, events)
  }

  /** @returns false if nothing was in flight: then it does not count */
  add(fault: FaultSeen): boolean {
    const { kind, place, inFlight, recoveryMs } = fault
    const isCounted = inFlight > 0
    if (isCounted) this.#seen.push(fault)
    else this.#notCounted += 1
    const count = isCounted ? `${this.#seen.length}/${this.#planned.length}` : 'not counted'
    const where = place === '' ? '' : ` (${place})`
    this.#say(`${count}  ${kind}${where}: ${inFlight} events in flight, recovered in ${Math.round(recoveryMs)} ms`)
    return isCounted
  }

  addOracle({ problems, ...report }: PipelineReport): void {
    this.#oracle.rounds += 1
    for (const name of ['events', 'changes', 'messages', 'rows', 'lost', 'doubled', 'outOfOrder'] as const)
      this.#oracle[name] += report[name]
    this.#say(
      `oracle: ${report.events} events in the store, ${report.changes} changes of the WAL, ${report.messages} messages, ${report.rows} rows compared: ` +
        `${report.lost} lost, ${report.doubled} doubled, ${report.outOfOrder} out of order, ${problems.length} problems`,
    )
  }

  /** Changes of the monolith that were compared with the store before the pipeline was emptied. */
  addChanges({ problems, ...report }: ChangesReport): void {
    for (const name of ['changes', 'lost', 'doubled', 'outOfOrder'] as const) this.#oracle[name] += report[name]
    this.#say(
      `oracle: ${report.changes} changes of the WAL: ${report.lost} lost, ${report.doubled} doubled, ` +
        `${report.outOfOrder} out of order, ${problems.length} problems`,
    )
  }

  summary(run: { readonly seed: number; readonly postgres: string }): FaultSummary {
    const kinds = [...Map.groupBy(this.#seen, ({ kind }) => kind)].sort(([a], [b]) => a.localeCompare(b))
    return {
      ...run,
      faults: this.#seen.length,
      notCounted: this.#notCounted,
      kinds: Object.fromEntries(kinds.map(([kind, faults]) => [kind, summaryOf(faults)])),
      largestCommit: this.#largestCommit,
      oracle: this.#oracle,
      ms: Math.round(performance.now() - this.#startedAt),
    }
  }
}

function summaryOf(faults: readonly FaultSeen[]): KindSummary {
  const sorted = faults.map(({ recoveryMs }) => Math.round(recoveryMs)).sort((a, b) => a - b)
  return { faults: sorted.length, recoveryMsMedian: sorted[sorted.length >> 1] ?? 0, recoveryMsMax: sorted.at(-1) ?? 0 }
}

export function summaryText({ seed, postgres, faults, notCounted, kinds, largestCommit, oracle, ms }: FaultSummary): string {
  const width = Math.max(...Object.keys(kinds).map((kind) => kind.length), 4)
  const line = (kind: string, count: string, median: string, max: string): string =>
    `${kind.padEnd(width)}  ${count.padStart(6)}  ${median.padStart(10)}  ${max.padStart(10)}`
  return [
    line('kind', 'faults', 'p50 ms', 'max ms'),
    ...Object.entries(kinds).map(([kind, { faults: count, recoveryMsMedian, recoveryMsMax }]) =>
      line(kind, String(count), String(recoveryMsMedian), String(recoveryMsMax)),
    ),
    '',
    `${faults} faults in ${Math.round(ms / 1000)} s on PostgreSQL ${postgres}, seed ${seed}` +
      (notCounted > 0 ? `; ${notCounted} struck while nothing was in flight and were struck again` : ''),
    `${oracle.events} events, ${oracle.changes} changes of the WAL, ${oracle.messages} messages, ${oracle.rows} rows compared in ${oracle.rounds} rounds, ` +
      `${largestCommit} events in the largest transaction: ${oracle.lost} lost, ${oracle.doubled} doubled, ${oracle.outOfOrder} out of order`,
  ].join('\n')
}
