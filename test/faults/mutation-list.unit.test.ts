import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { MUTATIONS } from './mutation-list.ts'
import { kindsNamed } from './suite/fault-kinds.ts'

test.each(MUTATIONS)(
  '$name breaks a line that is there once, and names faults that there are',
  ({ file, line, broken, only }) => {
    const source = readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8')
    expect(source.split(line).length - 1).toBe(1)
    expect(broken).not.toBe(line)
    expect(kindsNamed(only.split(',')).length).toBeGreaterThan(0)
  },
)
