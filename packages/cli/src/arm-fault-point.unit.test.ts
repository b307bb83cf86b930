import { faultPoint, installFaultPoints } from '@sluice/core'
import { afterEach, expect, test } from 'vitest'
import { armFaultPoint } from './arm-fault-point.ts'

afterEach(() => {
  installFaultPoints(null)
})

test('the process is killed at the pass that is named, and at no other point', () => {
  let kills = 0
  armFaultPoint({ SLUICE_TEST_FAULT_POINT: 'relay.after-send:2' }, () => (kills += 1))
  faultPoint('relay.after-send')
  faultPoint('relay.before-send')
  expect(kills).toBe(0)
  faultPoint('relay.after-send')
  expect(kills).toBe(1)
})

test('without the variable nothing is armed', () => {
  armFaultPoint({}, () => expect.unreachable())
  faultPoint('relay.after-send')
})

test.each(['relay.after-send', 'relay.after-send:0', 'relay.elsewhere:1', 'relay.after-send:x'])('"%s" is refused', (text) => {
  expect(() => armFaultPoint({ SLUICE_TEST_FAULT_POINT: text })).toThrow(/can not be used/)
})
