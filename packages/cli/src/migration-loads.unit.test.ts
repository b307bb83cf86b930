import { type Uuid, laneId, parseUuid } from '@sluice/core'
import type { TableLoad } from '@sluice/store'
import { expect, test } from 'vitest'
import { type MigrationLoad, loadDurationMs, migrationLoad } from './migration-loads.ts'

const RUN: Uuid = parseUuid('00000000-0000-4000-8000-000000000001')

function at(minute: number | null): Date | null {
  return minute === null ? null : new Date(Date.UTC(2026, 10, 20, 8, minute))
}

function tableLoad(table: string, rows: bigint, from: number | null, to: number | null): TableLoad {
  const status = to === null ? (from === null ? 'pending' : 'running') : 'completed'
  return {
    id: RUN,
    lane: laneId(1),
    run: RUN,
    table,
    loadOrder: 1,
    lastKey: null,
    rowsEstimate: null,
    rowsStored: rows,
    status,
    startedAt: at(from),
    completedAt: at(to),
    lastSnapshotLsn: null,
    rowFilter: null,
  }
}

test('a load begins with its first rows, and ends with its last table', () => {
  expect(migrationLoad('monolith', [tableLoad('public.people', 5n, 3, 9), tableLoad('public.notes', 7n, 9, 11)])).toMatchObject({
    lane: 'monolith',
    startedAt: '2026-11-20T08:03:00.000Z',
    finishedAt: '2026-11-20T08:11:00.000Z',
    rows: 12,
    tables: [
      { table: 'public.people', status: 'completed', rows: 5, finishedAt: '2026-11-20T08:09:00.000Z' },
      { table: 'public.notes', status: 'completed', rows: 7, startedAt: '2026-11-20T08:09:00.000Z' },
    ],
  })
})

test('a load has not ended while one of its tables has not', () => {
  const load = migrationLoad('monolith', [tableLoad('public.people', 5n, 3, 9), tableLoad('public.notes', 0n, null, null)])
  expect(load).toMatchObject({ startedAt: '2026-11-20T08:03:00.000Z', finishedAt: null, rows: 5 })
  expect(loadDurationMs([load])).toBeNull()
})

test('loads of several lanes at once are counted once, and the time between two loads is not', () => {
  const load = (from: number, to: number): MigrationLoad => migrationLoad('monolith', [tableLoad('public.people', 1n, from, to)])
  expect(loadDurationMs([load(0, 10), load(2, 5), load(8, 12), load(30, 31)])).toBe(13 * 60_000)
})
