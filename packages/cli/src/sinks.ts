/**
 * Sinks of services, made from the environment:
 *
 *   SLUICE_<SERVICE>_CLICKHOUSE_URL  SLUICE_<SERVICE>_CLICKHOUSE_CA_FILE
 *   SLUICE_<SERVICE>_WEAVIATE_URL, and what weaviate-of.ts names
 */
import { ClickhouseSink, clickhouseTarget } from '@sluice/clickhouse'
import { SluiceError } from '@sluice/core'
import type { OpenSinks, Sink } from '@sluice/sink'
import type { SinkStore, SinkTable, SystemDefinition } from '@sluice/system'
import { certificateOf } from './certificate-of.ts'
import { type Environment, findSetting } from './deployment.ts'
import { weaviateOf } from './weaviate-of.ts'

/** Of those services that have one. @throws SluiceError SLU-1002 if a URL is missing, SLU-1003 if one can not be used */
export function sinksOf(environment: Environment, system: SystemDefinition, services: readonly string[]): OpenSinks {
  return Object.fromEntries(
    services.flatMap((service) => {
      const tables = system.services[service]?.sinks ?? []
      const [first] = tables
      return first === undefined ? [] : [[service, openerOf(environment, service, first.store, tables)]]
    }),
  )
}

/** `SLUICE_ANALYTICS_CLICKHOUSE_URL` */
export function sinkVariable(service: string, store: SinkStore): string {
  return `SLUICE_${service.toUpperCase()}_${store.toUpperCase()}_URL`
}

function openerOf(environment: Environment, service: string, store: SinkStore, tables: readonly SinkTable[]): () => Sink {
  const variable = sinkVariable(service, store)
  const setting = findSetting(environment, variable)
  if (setting === null) {
    throw new SluiceError('CONFIG_MISSING', {
      what: 'a setting is missing',
      why: `the environment has no ${variable} (nor the same with _FILE), and service "${service}" has tables in ${store}`,
      ways: [`export ${variable}='https://user:password@host:8443/database'`],
    })
  }
  switch (store) {
    case 'clickhouse': {
      const target = clickhouseTarget(variable, setting.text, certificateOf(environment, variable.replace(/_URL$/, '_CA_FILE')))
      return () => new ClickhouseSink(target, tables)
    }
    case 'weaviate':
      return weaviateOf(environment, service, setting.text, tables)
  }
}
