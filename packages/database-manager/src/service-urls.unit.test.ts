import { expect, test } from 'vitest'
import { resolveSettings } from './service-settings.ts'
import { settingsFromEnvironment } from './service-urls.ts'

const SERVICES = { samples: { pool: { min: 5, max: 20 } }, ai: {} } as const
const SAMPLES_DB_URL = 'postgresql://user:secret@localhost:5432/nanopore_samples'
const AI_DB_URL = 'postgresql://user:secret@localhost:5432/nanopore_ai'
const DATABASE_URL = 'postgresql://user:secret@localhost:5432/nanopore_tracking'

test('each service has its own variable, by the documents’ name or by Sluice’s', () => {
  const settings = settingsFromEnvironment({ SAMPLES_DB_URL, SLUICE_AI_URL: AI_DB_URL }, SERVICES)
  expect(settings.samples).toEqual({ url: SAMPLES_DB_URL, pool: { min: 5, max: 20 }, isFallback: false })
  expect(settings.ai.url).toBe(AI_DB_URL)
  expect(settingsFromEnvironment({ SAMPLES_DB_URL, AI_DATABASE_URL: AI_DB_URL }, SERVICES).ai.url).toBe(AI_DB_URL)
})

test('two variables of one service that differ are refused, and the URLs are not told', () => {
  expect(() => settingsFromEnvironment({ SAMPLES_DB_URL, SLUICE_SAMPLES_URL: AI_DB_URL, AI_DB_URL }, SERVICES)).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.not.stringContaining('secret') as string }) as Error,
  )
})

test.each(['development', 'test'])('in %s a service without a database of its own has the main one, and says so', (NODE_ENV) => {
  const settings = settingsFromEnvironment({ NODE_ENV, DATABASE_URL, AI_DB_URL }, SERVICES)
  expect(settings.samples).toMatchObject({ url: DATABASE_URL, isFallback: true })
  expect(settings.ai).toMatchObject({ url: AI_DB_URL, isFallback: false })
})

test.each(['production', 'staging', undefined])(
  'where NODE_ENV is %s there is no fallback: every missing URL is named',
  (stage) => {
    const environment = { DATABASE_URL, ...(stage === undefined ? {} : { NODE_ENV: stage }) }
    expect(() => settingsFromEnvironment(environment, SERVICES)).toThrow(
      expect.objectContaining({
        code: 'CONFIG_MISSING',
        what: 'no URL for the database of samples, ai',
        ways: [expect.stringContaining('SAMPLES_DB_URL='), expect.stringContaining('AI_DB_URL=')] as string[],
      }) as Error,
    )
  },
)

test('a replica is named beside its primary', () => {
  const environment = { SAMPLES_DB_URL, AI_DB_URL, SAMPLES_DB_REPLICA_URL: AI_DB_URL }
  const settings = settingsFromEnvironment(environment, { samples: { lagMsMax: 9_000 }, ai: {} })
  expect(settings.samples).toEqual({ url: SAMPLES_DB_URL, isFallback: false, replicas: [{ url: AI_DB_URL, lagMsMax: 9_000 }] })
  expect(settings.ai).not.toHaveProperty('replicas')
})

test('several replicas stand in one variable, with white space between them; one that is named twice is refused', () => {
  const environment = { SAMPLES_DB_URL, SAMPLES_DB_REPLICA_URL: ` ${AI_DB_URL}\n${DATABASE_URL} ` }
  const settings = settingsFromEnvironment(environment, { samples: {} })
  expect(settings.samples.replicas).toEqual([{ url: AI_DB_URL }, { url: DATABASE_URL }])
  expect(resolveSettings(settings).get('samples')?.replicas).toEqual([
    { url: AI_DB_URL, lagMsMax: 5_000 },
    { url: DATABASE_URL, lagMsMax: 5_000 },
  ])
  const twice = settingsFromEnvironment({ ...environment, SAMPLES_DB_REPLICA_URL: `${AI_DB_URL} ${AI_DB_URL}` }, { samples: {} })
  expect(() => resolveSettings(twice)).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID', why: 'samples.replicas: one is named twice' }) as Error,
  )
})

test('limits have the documents’ defaults: 30 seconds of waiting, an hour of use', () => {
  expect(resolveSettings({ samples: { url: SAMPLES_DB_URL } }).get('samples')).toMatchObject({
    pool: { timeoutMs: 30_000, recycleMs: 3_600_000 },
    pooler: 'none',
  })
})

test('settings that can not be are refused with every place, and without the URL', () => {
  const services = { samples: { url: SAMPLES_DB_URL, pool: { min: 6, max: 5 } }, ai: { url: AI_DB_URL, statementTimeoutMs: 0 } }
  expect(() => resolveSettings(services)).toThrow(
    expect.objectContaining({
      code: 'CONFIG_INVALID',
      why: expect.stringMatching(/samples\.pool\.min: min is more than max; ai\.statementTimeoutMs: /) as string,
    }) as Error,
  )
})
