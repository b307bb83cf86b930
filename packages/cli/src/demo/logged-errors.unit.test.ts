import { expect, test } from 'vitest'
import { loggedErrors } from './logged-errors.ts'

test('errors of a log are told, and nothing else of it', () => {
  const log = [
    '{"level":"warn","error":{"code":"SLU-2001","what":"w","why":"y"},"message":"starts again"}',
    '(node:1) SomeWarning: text',
    '{"level":"error","error":{"code":"SLU-2020","what":"slot \\"s\\" is gone","why":"the lane has a position"},"message":"stopped"}',
    '{"level":"error","err',
  ].join('\n')
  expect(loggedErrors(log)).toEqual(['SLU-2020 slot "s" is gone: the lane has a position'])
})
