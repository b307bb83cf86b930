import { expect, test } from 'vitest'
import { printProgress } from './progress-lines.ts'

const MIB = 1024 * 1024

test('a download is told at each quarter, or every 5 s; everything else at once', () => {
  let nowMs = 0
  const lines: string[] = []
  const print = printProgress({ write: (text) => lines.push(text.trim()) }, () => nowMs)
  const download = (doneMib: number): void => {
    print({ kind: 'download', part: 'kafka 4.1.0', doneBytes: doneMib * MIB, totalBytes: 100 * MIB })
  }
  download(0)
  for (let mib = 1; mib <= 30; mib += 1) download(mib)
  nowMs += 5_000
  download(31)
  download(32)
  download(100)
  // The installer tells the end again, once every file was verified.
  nowMs += 60_000
  download(100)
  print({ kind: 'waiting', what: 'another' })
  expect(lines).toEqual([
    'downloading kafka 4.1.0: 0.0 of 100.0 MiB',
    'downloading kafka 4.1.0: 25.0 of 100.0 MiB',
    'downloading kafka 4.1.0: 31.0 of 100.0 MiB',
    'downloading kafka 4.1.0: 100.0 of 100.0 MiB',
    'waiting for another',
  ])
})
