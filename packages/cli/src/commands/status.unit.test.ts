import type { StoreStatus, SystemStatus } from '@sluice/trace'
import { expect, test } from 'vitest'
import { styleOf } from '../glyphs.ts'
import { statusText } from './status.ts'

const STYLE = styleOf(process.stdout, { NO_COLOR: '1' })

function linesOf(reading: Pick<StoreStatus, 'load' | 'loadSecondsLeft' | 'backfills'>): readonly string[] {
  const error = { code: 'SLU-2001', name: 'POSTGRES_UNREACHABLE', what: 'w', why: 'y', ways: [] }
  const unknown = { value: null, error }
  const store: StoreStatus = {
    phase: 'streaming',
    position: 9n,
    link: 1n,
    storedLsn: '0/1',
    durableLsn: '0/1',
    lastCommitAt: null,
    updatedAt: '2026-01-01T00:00:00.000Z',
    parkedMessages: { messages: 0, kinds: [] },
    ...reading,
  }
  const lane = { lane: 'monolith', source: unknown, store: { value: store, error: null }, readerLag: null, relay: unknown }
  const status: SystemStatus = {
    system: 's',
    at: '2026-01-01T00:00:00.000Z',
    lanes: [lane],
    services: [],
    copies: [],
    checks: [],
  }
  return statusText(status, STYLE)
    .split('\n')
    .filter((line) => line.startsWith('initial load') || line.startsWith('backfill'))
}

test('what is being read has a line: the table of an initial load, and each backfill with its pace, its end and what it waits for', () => {
  const run = {
    id: 'b1',
    table: 'public.orders',
    status: 'running',
    rowsRead: 50_000n,
    rowsEstimate: 200_000n,
    rowsPerSecond: 30_000.4,
    secondsLeft: 5,
    waitsFor: null,
  } as const
  expect(
    linesOf({
      load: [
        { table: 'public.done', status: 'completed', rows: 3n, estimate: 3n },
        { table: 'public.lines', status: 'running', rows: 1_500n, estimate: 4_000n },
        { table: 'public.later', status: 'pending', rows: 0n, estimate: null },
      ],
      loadSecondsLeft: 75,
      backfills: [
        run,
        { ...run, id: 'b2', rowsPerSecond: null, secondsLeft: null, waitsFor: '120 events are not published yet' },
        { ...run, id: 'b3', status: 'paused', secondsLeft: null },
      ],
    }),
  ).toEqual([
    'initial load of public.lines (monolith) is running: 1,500 of about 4,000 rows',
    'initial load (monolith): about 1 m 15 s left',
    'backfill b1 of public.orders (monolith) is running: 50,000 of 200,000 rows, 30,000 rows/s, 5.0 s left',
    'backfill b2 of public.orders (monolith) is running: 50,000 of 200,000 rows, waits: 120 events are not published yet',
    'backfill b3 of public.orders (monolith) is paused: 50,000 of 200,000 rows',
  ])
})
