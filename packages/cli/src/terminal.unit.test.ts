import { SluiceError } from '@sluice/core'
import { describe, expect, test } from 'vitest'
import { checkText } from './check-text.ts'
import { errorText } from './error-text.ts'
import { type StyledStream, styleOf } from './glyphs.ts'
import { createProgress } from './progress.ts'
import { formatBytes, formatSeconds, renderTable } from './table.ts'

const pipe = { isTTY: false } as StyledStream
const terminal = { isTTY: true } as StyledStream
const error = new SluiceError('SLOT_MISSING', {
  what: 'slot "s" is gone',
  why: 'first\nsecond',
  ways: ['sluice doctor', 'sluice status'],
})

describe('an error', () => {
  test('says code, what, why, the ways out and where more is; ASCII in a pipe', () => {
    expect(errorText(error, styleOf(pipe, {}))).toBe(
      [
        'x SLU-2020  slot "s" is gone',
        '  why   first',
        '        second',
        '  try   sluice doctor',
        '  or    sluice status',
        '  more  sluice explain SLU-2020',
        '',
      ].join('\n'),
    )
  })

  test('is coloured on a terminal, unless NO_COLOR is set', () => {
    expect(errorText(error, styleOf(terminal, {}))).toContain('\u001B[31m✗ SLU-2020')
    expect(errorText(error, styleOf(terminal, { NO_COLOR: '1' }))).not.toContain('\u001B')
  })
})

test('a check that is not ok says what to do', () => {
  const text = checkText(
    [
      { name: 'monolith.version', status: 'ok', summary: 'PostgreSQL 17.10' },
      {
        name: 'monolith.wal_level',
        status: 'failed',
        summary: 'wal_level is replica',
        fix: ['ALTER SYSTEM …'],
        code: 'SLU-2010',
      },
    ],
    styleOf(pipe, {}),
  )
  expect(text).toContain('ok  monolith.version')
  expect(text).toContain('  try   ALTER SYSTEM …\n  more  sluice explain SLU-2010')
})

test('tables have no borders, and numbers stand to the right', () => {
  expect(
    renderTable(
      [{ title: 'table' }, { title: 'rows', align: 'right' }],
      [
        ['a', 20_000],
        ['long name', 7n],
        ['c', null],
      ],
    ),
  ).toBe(['table        rows', 'a          20,000', 'long name       7', 'c               -'].join('\n'))
})

test('amounts are short', () => {
  expect([512, 1536, 5 * 1024 ** 3].map(formatBytes)).toEqual(['512 B', '1.5 KiB', '5.0 GiB'])
  expect([0.0123, 9.54, 580, 11_100].map(formatSeconds)).toEqual(['12 ms', '9.5 s', '9 m 40 s', '3 h 05 m'])
})

describe('progress', () => {
  function phaseOn(isTTY: boolean) {
    let [text, now] = ['', 0]
    const stream = { isTTY, write: (t: string) => ((text += t), true) } as unknown as StyledStream
    const progress = createProgress({ stream, style: styleOf(pipe, {}), now: () => now, isSilent: false })
    return { phase: progress.phase('loading'), text: () => text, pass: (ms: number) => (now += ms) }
  }

  test('off a terminal is a line each 10 s, and one at begin and end', () => {
    const { phase, text, pass } = phaseOn(false)
    for (let i = 1; i <= 25; i += 1) {
      pass(1000)
      phase.update(`${i}`)
    }
    phase.done('25 rows')
    expect(text()).toBe('. loading\n. loading  10\n. loading  20\nok loading  25 rows\n')
  })

  test('on a terminal rewrites its line, ten times a second at most', () => {
    const { phase, text, pass } = phaseOn(true)
    for (let i = 0; i < 100; i += 1) {
      pass(10)
      phase.update(`${i}`)
    }
    phase.done()
    expect(text().match(/\r/g)).toHaveLength(11)
    expect(text().split('\n')).toHaveLength(2)
  })
})
