/** Settings of service databases from the environment: each has a variable of its own, and in development they may share one database. */
import { SluiceError } from '@sluice/core'
import { hasAll, namesOf } from './by-name.ts'
import type { ServiceSettings } from './service-settings.ts'

export type Environment = Readonly<Record<string, string | undefined>>
type UrlKind = 'URL' | 'REPLICA_URL'
export type SettingsWithoutUrls = Omit<ServiceSettings, 'url' | 'isFallback' | 'replicas'> & {
  /** Of each replica. */
  readonly lagMsMax?: number
}

/** Where one database for all is no accident. An environment that does not say what it is counts as production. */
const FALLBACK_ENVIRONMENTS: ReadonlySet<string | undefined> = new Set(['development', 'test'])

/**
 * Takes `SLUICE_SAMPLES_URL`, `SAMPLES_DB_URL` or `SAMPLES_DATABASE_URL` for a service `samples`; its replica's is `…_REPLICA_URL` in
 * place of `…_URL`, or those of several, with white space between them, which no URL contains. A service without one gets `DATABASE_URL`, where `NODE_ENV` is `development` or `test`.
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
    else settings[name] = { ...withReplicas(environment, name, services[name]), url, isFallback: own === undefined }
  }
  if (!hasAll(settings, names)) throw urlsMissing(environment, missing)
  return settings
}

function withReplicas(
  environment: Environment,
  name: string,
  { lagMsMax, ...settings }: SettingsWithoutUrls,
): Omit<ServiceSettings, 'url'> {
  const urls = urlOf(environment, name, 'REPLICA_URL')?.match(/\S+/g) ?? []
  if (urls.length === 0) return settings
  return { ...settings, replicas: urls.map((url) => ({ url, ...(lagMsMax === undefined ? {} : { lagMsMax }) })) }
}

function urlOf(environment: Environment, name: string, kind: UrlKind): string | undefined {
  const found = variablesOf(name, kind).flatMap((variable) => {
    const url = given(environment, variable)
    return url === undefined ? [] : [{ variable, url }]
  })
  const [first, ...others] = found
  const different = others.find(({ url }) => url !== first?.url)
  if (first === undefined || different === undefined) return first?.url
  throw new SluiceError('CONFIG_INVALID', {
    what: `the database of service "${name}" is not clear`,
    why: `${first.variable} and ${different.variable} are both set, and differ`,
    ways: [`unset ${different.variable}`],
  })
}

function variablesOf(name: string, kind: UrlKind): readonly [sluice: string, short: string, long: string] {
  const service = name.toUpperCase()
  return [`SLUICE_${service}_${kind}`, `${service}_DB_${kind}`, `${service}_DATABASE_${kind}`]
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
