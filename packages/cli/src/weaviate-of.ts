/**
 * Weaviate and the embedder of a service, from the environment:
 *
 *   SLUICE_<SERVICE>_WEAVIATE_URL  SLUICE_<SERVICE>_WEAVIATE_API_KEY  SLUICE_<SERVICE>_WEAVIATE_CA_FILE
 *   SLUICE_<SERVICE>_EMBEDDER_URL  SLUICE_<SERVICE>_EMBEDDER_TOKEN  SLUICE_<SERVICE>_EMBEDDER_CA_FILE
 *   SLUICE_<SERVICE>_EMBEDDER_MODEL  SLUICE_<SERVICE>_EMBEDDER_DIMENSIONS  SLUICE_<SERVICE>_EMBEDDER_VERSION (1)
 *
 * An embedder's URL that is the word `deterministic` is the one without meaning.
 */
import { SluiceError } from '@sluice/core'
import type { Sink } from '@sluice/sink'
import type { SinkTable } from '@sluice/system'
import { type Embedder, deterministicEmbedder, httpEmbedder, weaviateSink } from '@sluice/weaviate'
import { z } from 'zod'
import { certificateOf } from './certificate-of.ts'
import { type Environment, findSetting } from './deployment.ts'

/** The URL of the embedder whose vectors mean nothing. */
export const DETERMINISTIC = 'deterministic'
const DEFAULT_VERSION = '1'
const count = z.coerce.number().int().positive().max(1_000_000)

/** `SLUICE_AI_EMBEDDER_URL` */
export function embedderVariable(
  service: string,
  setting: 'URL' | 'TOKEN' | 'CA_FILE' | 'MODEL' | 'DIMENSIONS' | 'VERSION',
): string {
  return `SLUICE_${service.toUpperCase()}_EMBEDDER_${setting}`
}

/** @throws SluiceError SLU-1002 if a setting is missing, SLU-1003 if one can not be used */
export function weaviateOf(environment: Environment, service: string, url: string, tables: readonly SinkTable[]): () => Sink {
  const prefix = `SLUICE_${service.toUpperCase()}`
  const server = {
    url: urlOf(`${prefix}_WEAVIATE_URL`, url),
    apiKey: findSetting(environment, `${prefix}_WEAVIATE_API_KEY`)?.text,
    ca: certificateOf(environment, `${prefix}_WEAVIATE_CA_FILE`) ?? undefined,
  }
  const embedder = embedderOf(environment, service)
  return () => weaviateSink({ ...server, tables, embedder: embedder() })
}

function embedderOf(environment: Environment, service: string): () => Embedder {
  const variableOf = (setting: Parameters<typeof embedderVariable>[1]): string => embedderVariable(service, setting)
  const [url, dimensions] = [variableOf('URL'), variableOf('DIMENSIONS')]
  const version = countOf(variableOf('VERSION'), findSetting(environment, variableOf('VERSION'))?.text ?? DEFAULT_VERSION)
  const address = required(environment, url, 'http://localhost:8080/v1/embeddings')
  if (address === DETERMINISTIC) return () => deterministicEmbedder(version)
  const options = {
    url: urlOf(url, address),
    name: required(environment, variableOf('MODEL'), 'all-minilm'),
    dimensions: countOf(dimensions, required(environment, dimensions, '384')),
    version,
    token: findSetting(environment, variableOf('TOKEN'))?.text,
    ca: certificateOf(environment, variableOf('CA_FILE')) ?? undefined,
  }
  return () => httpEmbedder(options)
}

function required(environment: Environment, variable: string, example: string): string {
  const setting = findSetting(environment, variable)
  if (setting !== null) return setting.text
  throw new SluiceError('CONFIG_MISSING', {
    what: 'a setting is missing',
    why: `the environment has no ${variable} (nor the same with _FILE), and a class of weaviate needs an embedder`,
    ways: [
      `export ${variable}='${example}'`,
      `${variable.replace(/_[A-Z]+$/, '_URL')}=${DETERMINISTIC} has no meaning: for trying things`,
    ],
  })
}

/** A secret in the address would be in messages and logs: it has a variable of its own. */
function urlOf(variable: string, text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null
  if (url && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '') return url
  throw new SluiceError('CONFIG_INVALID', {
    what: `${variable} can not be used`,
    why: 'it must be an http or https URL without user and password',
    ways: [`export ${variable}='https://host:8080'`],
  })
}

function countOf(variable: string, text: string): number {
  const read = count.safeParse(text)
  if (read.success) return read.data
  throw new SluiceError('CONFIG_INVALID', {
    what: `${variable} can not be used`,
    why: `it is "${text}", a whole number from 1 on is needed`,
    ways: [`export ${variable}=1`],
  })
}
