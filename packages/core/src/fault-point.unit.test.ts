import { afterEach, expect, test } from 'vitest'
import { type FaultPoint, faultPoint, installFaultPoints } from './fault-point.ts'

afterEach(() => {
  installFaultPoints(null)
})

test('a point does nothing until a handler is installed, and tells it its name then', () => {
  const passed: FaultPoint[] = []
  faultPoint('relay.before-send')
  installFaultPoints((point) => passed.push(point))
  faultPoint('relay.after-send')
  installFaultPoints(null)
  faultPoint('relay.before-commit')
  expect(passed).toEqual(['relay.after-send'])
})
