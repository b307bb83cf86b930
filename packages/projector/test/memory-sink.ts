/** A sink in memory: what it holds is durable for as long as the test, and it can be away or refuse. */
import { SluiceError, positionNumber } from '@sluice/core'
import type { Sink, SinkRefusal, SinkRow, SinkedRow } from '@sluice/sink'
import type { SinkTable } from '@sluice/system'

export class MemorySink implements Sink {
  readonly store = 'clickhouse'
  readonly display = 'memory'
  /** Every row that was written, repeats too. */
  readonly written: SinkRow[] = []
  isAway = false
  /** Asked before anything is written. */
  refuses: (row: SinkRow) => boolean = () => false
  /** Found out when it is written. */
  refusesLate: (row: SinkRow) => boolean = () => false

  open(): Promise<void> {
    return Promise.resolve()
  }

  missing(): Promise<readonly SinkTable[]> {
    return Promise.resolve([])
  }

  make(): Promise<void> {
    return Promise.resolve()
  }

  async refusals(rows: readonly SinkRow[]): Promise<readonly SinkRefusal[]> {
    await this.#answer()
    return rows.filter((row) => this.refuses(row)).map(refusalOf)
  }

  async write(rows: readonly SinkRow[]): Promise<readonly SinkRefusal[]> {
    await this.#answer()
    const refused = rows.findIndex((row) => this.refusesLate(row))
    this.written.push(...(refused === -1 ? rows : rows.slice(0, refused)))
    return refused === -1 ? [] : [refusalOf(rows[refused]!)]
  }

  async *read(table: SinkTable): AsyncGenerator<readonly SinkedRow[]> {
    await this.#answer()
    yield this.collapsed(table.name).map(({ eventId, aggregateId, lane, position, values }) => ({
      eventId,
      aggregateId,
      lane,
      position: positionNumber(position),
      values,
    }))
  }

  count(table: SinkTable): Promise<bigint> {
    return Promise.resolve(BigInt(this.collapsed(table.name).length))
  }

  exportRows(): AsyncIterable<Buffer> {
    throw new Error('a projector does not ask for it')
  }

  importRows(): Promise<void> {
    throw new Error('a projector does not ask for it')
  }

  /** Each event once, by position; of repeats that differ the test is to know. */
  collapsed(table: string): readonly SinkRow[] {
    const rows = new Map<string, SinkRow>()
    for (const row of this.written.filter((r) => r.table.name === table)) rows.set(row.eventId, row)
    return [...rows.values()].sort((a, b) => Number(a.position - b.position))
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  #answer(): Promise<void> {
    if (!this.isAway) return Promise.resolve()
    const text = { what: 'the sink does not answer', why: 'the test says so', ways: [] }
    return Promise.reject(new SluiceError('SINK_UNREACHABLE', text))
  }
}

function refusalOf({ eventId, table }: SinkRow): SinkRefusal {
  return { eventId, table: table.name, column: 'amount', message: `table ${table.name} can not hold column amount` }
}
