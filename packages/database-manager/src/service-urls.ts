/** Settings of service databases from the environment: each has a variable of its own, and in development they may share one database. */
import { SluiceError } from '@sluice/core'
import { hasAll, namesOf } from './by-name.ts'
import type { ServiceSettings } from './service-settings.ts'

export type Environment = Readonly<Record<string, string | undefined>>
export type SettingsWithoutUrls = Omit<ServiceSettings, 'url' | 'isFallback' | 'replica'> & { readonly lagMsMax?: number }

/** Where one database for all is no accident. An environment that does not say what it is counts as production. */
const FALLBACK_ENVIRONMENTS: ReadonlySet<string | undefined> = new Set(['development', 'test'])

/**
 * Takes `SLUICE_SAMPLES_URL`, or `SAMPLES_DB_URL`, for a service `samples`; its replica's is `SLUICE_SAMPLES_REPLICA_URL`, or
 * `SAMPLES_DB_REPLICA_URL`. A service without one gets `DATABASE_URL`, where `NODE_ENV` is `development` or `test`.
 *
 * @throws SluiceError SLU-1002 with every service that has no URL, SLU-1003 where two variables of one service differ
 */
export function settingsFromEnvironment<Name extends string>(
  environment: Environment,
  services: Readonly<Record<Name, SettingsWithoutUrls>>,
): Record<Name, ServiceSettings> {
  const main = FALLBACK_ENVIRONMENTS.has(environment['NODE_ENV']) ? given(environment, 'DATABASE_URL') : undefined
  const missing: string[] = []
  const settings: Partial<Record<Name, ServiceSettings>> = {}
  const names = namesOf(services)
  for (const name of names) {
    const own = urlOf(environment, name, 'URL')
    const url = own ?? main
    if (url === undefined) missing.push(name)
    else settings[name] = { ...withReplica(environment, name, services[name]), url, isFallback: own === undefined }
  }
  if (!hasAll(settings, names)) throw urlsMissing(environment, missing)
  return settings
}

function withReplica(
  environment: Environment,
  name: string,
  { lagMsMax, ...settings }: SettingsWithoutUrls,
): Omit<ServiceSettings, 'url'> {
  const url = urlOf(environment, name, 'REPLICA_URL')
  return url === undefined ? settings : { ...settings, replica: { url, ...(lagMsMax === undefined ? {} : { lagMsMax }) } }
}

function urlOf(environment: Environment, name: string, kind: 'URL' | 'REPLICA_URL'): string | undefined {
  const [sluice, application] = variablesOf(name, kind)
  const urls = [given(environment, sluice), given(environment, application)].filter((url) => url !== undefined)
  if (urls.length === 2 && urls[0] !== urls[1]) {
    throw new SluiceError('CONFIG_INVALID', {
      what: `the database of service "${name}" is not clear`,
      why: `${sluice} and ${application} are both set, and differ`,
      ways: [`unset ${application}`],
    })
  }
  return urls[0]
}

function variablesOf(name: string, kind: 'URL' | 'REPLICA_URL'): readonly [sluice: string, application: string] {
  return [`SLUICE_${name.toUpperCase()}_${kind}`, `${name.toUpperCase()}_DB_${kind}`]
}

function given(environment: Environment, variable: string): string | undefined {
  const value = environment[variable]
  return value === '' ? undefined : value
}

function urlsMissing(environment: Environment, missing: readonly string[]): SluiceError {
  const stage = environment['NODE_ENV']
  const isFallback = FALLBACK_ENVIRONMENTS.has(stage)
  return new SluiceError('CONFIG_MISSING', {
    what: `no URL for the database of ${missing.join(', ')}`,
    why: isFallback
      ? `DATABASE_URL is not set either, which development falls back to`
      : `DATABASE_URL is taken in development only, and NODE_ENV is ${stage === undefined ? 'not set' : `"${stage}"`}`,
    ways: missing.map((name) => `export ${variablesOf(name, 'URL')[1]}='postgresql://user:password@host:5432/database'`),
  })
}
