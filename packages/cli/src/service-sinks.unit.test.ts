import { expect, test } from 'vitest'
import system from '../../../schemas/medcontracthub/with-sinks.ts'
import { serviceSinks } from './service-sinks.ts'

test('a sink has the tables of the definition; a service without one has none', () => {
  const environment = { SLUICE_ANALYTICS_CLICKHOUSE_URL: 'http://localhost:8123/analytics' }
  expect(serviceSinks(environment, system, Object.keys(system.services), 'sluice backup')).toEqual({
    analytics: { tables: system.services.analytics.sinks, open: expect.any(Function) as unknown },
  })
})

test('where its URL is missing, the error says how to do without it', () => {
  expect(() => serviceSinks({}, system, ['analytics'], 'sluice restore analytics --from /b')).toThrow(
    expect.objectContaining({
      code: 'CONFIG_MISSING',
      ways: [
        expect.stringContaining('SLUICE_ANALYTICS_CLICKHOUSE_URL'),
        'sluice restore analytics --from /b --without-sinks    leaves sinks as they are',
      ] as unknown,
    }),
  )
})
