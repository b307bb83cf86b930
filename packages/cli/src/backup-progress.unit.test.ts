import type { BackupProgress, RestoreProgress } from '@sluice/backup'
import { expect, test } from 'vitest'
import { backupLine, restoreLine } from './backup-progress.ts'

test('a backup says what it is at, how long that takes, and what comes then', () => {
  let clock = 0
  const line = backupLine(() => clock)
  const told = (progress: Partial<BackupProgress> & Pick<BackupProgress, 'stage'>): string =>
    line({ tables: 1, ofTables: 4, bytes: 0, work: null, sinkTables: 0, ...progress })
  expect(told({ stage: 'counting', tables: 0, work: { done: 0, of: 100 } })).toBe('counting rows, 0 of 4 tables, then the dump')
  clock = 3000
  expect(told({ stage: 'counting', work: { done: 75, of: 100 } })).toBe(
    'counting rows, 1 of 4 tables, about 1.0 s left, then the dump',
  )
  // The dump has a pace of its own: that of the counting says nothing of it.
  expect(told({ stage: 'dumping', work: { done: 0, of: 100 } })).toBe('1 of 4 tables, 0 B')
  clock = 13_000
  const half = { stage: 'dumping', tables: 2, bytes: 2048, work: { done: 50, of: 100 } } as const
  expect(told(half)).toBe('2 of 4 tables, 2.0 KiB, about 10.0 s left')
  expect(told({ ...half, sinkTables: 3 })).toBe('2 of 4 tables, 2.0 KiB, about 10.0 s left, then its sink')
  expect(told({ stage: 'storing', bytes: 4096 })).toBe('writing 4.0 KiB to the disk')
  expect(told({ stage: 'exporting', ofTables: 3, bytes: 4096, sinkTables: 3 })).toBe('1 of 3 tables of its sink, 4.0 KiB')
})

test('a restore says that indexes come after the rows, and how many of them', () => {
  let clock = 0
  const line = restoreLine(() => clock)
  const told = (progress: Partial<RestoreProgress> & Pick<RestoreProgress, 'stage'>): string =>
    line({ begun: 0, ofThem: null, work: null, ...progress })
  expect(told({ stage: 'checking' })).toBe('checking the backup')
  expect(told({ stage: 'restoring', begun: 1, ofThem: 4, work: { done: 0, of: 100 } })).toBe(
    'restoring rows, 1 of 4 tables, then indexes and keys',
  )
  clock = 60_000
  expect(told({ stage: 'restoring', begun: 3, ofThem: 4, work: { done: 50, of: 100 } })).toBe(
    'restoring rows, 3 of 4 tables, about 1 m 00 s left, then indexes and keys',
  )
  expect(told({ stage: 'indexing', begun: 2, ofThem: 7 })).toBe('making indexes and keys, 2 of 7')
  // A backup in which they were not counted.
  expect(told({ stage: 'indexing', begun: 2 })).toBe('making indexes and keys, 2')
  expect(told({ stage: 'counting', begun: 0, ofThem: 4, work: { done: 0, of: 1000 } })).toBe('counting rows, 0 of 4 tables')
  clock = 70_000
  expect(told({ stage: 'counting', begun: 2, ofThem: 4, work: { done: 500, of: 1000 } })).toBe(
    'counting rows, 2 of 4 tables, about 10.0 s left',
  )
  expect(told({ stage: 'analyzing' })).toBe('gathering statistics')
  expect(told({ stage: 'erasing' })).toBe('applying erasures')
  expect(told({ stage: 'importing', begun: 1, ofThem: 2 })).toBe('filling its sink, 1 of 2 tables')
})
