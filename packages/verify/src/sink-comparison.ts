/** What the comparison of one table of a sink is given. */
import type { Sink, SinkedRow } from '@sluice/sink'
import type { SinkTable } from '@sluice/system'

export interface SinkComparison {
  readonly sink: Pick<Sink, 'read'>
  readonly table: SinkTable
  readonly lane: number
  /** The service has applied all events up to here. */
  readonly through: bigint
  /** Ids of events that did not take effect in the service, as far as somebody knows of them. */
  readonly absent: ReadonlySet<string>
  /** Told with every page how many rows were read so far. */
  readonly onRows?: (rows: number) => void
}

/** Everything that the table holds, in its order. */
export async function* sinkedRows({ sink, table, onRows }: SinkComparison): AsyncGenerator<SinkedRow, undefined> {
  let rows = 0
  for await (const page of sink.read(table)) {
    yield* page
    rows += page.length
    onRows?.(rows)
  }
}
