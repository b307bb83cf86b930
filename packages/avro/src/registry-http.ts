/** The registry's HTTP API, as far as the client library does not offer it. */
import { SluiceError, certificateFault, isSluiceError } from '@sluice/core'

export interface RegistryAuth {
  readonly username: string
  readonly password: string
}

export interface RegistryHttp {
  incompatibilities(subject: string, schemaText: string): Promise<readonly string[]>
  requireBackward(subject: string): Promise<void>
  /** Id of a schema that the subject has; null if it does not. */
  registeredId(subject: string, schemaText: string): Promise<number | null>
  schemaText(id: number): Promise<string>
  /** Text of the subject's newest schema; null if it has none. */
  latestSchemaText(subject: string): Promise<string | null>
  ping(): Promise<void>
}

const TIMEOUT_MS = 10_000
const CONTENT_TYPE = 'application/vnd.schemaregistry.v1+json'

export function registryHttp(options: { readonly url: string; readonly auth?: RegistryAuth }): RegistryHttp {
  const request = async (method: string, path: string, body?: object): Promise<{ status: number; body: unknown }> => {
    try {
      const response = await fetch(`${options.url.replace(/\/$/, '')}${path}`, {
        method,
        headers: { 'content-type': CONTENT_TYPE, accept: CONTENT_TYPE, ...authorization(options.auth) },
        signal: AbortSignal.timeout(TIMEOUT_MS),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const answer: unknown = await response.json().catch(() => null)
      if (response.status >= 400 && response.status !== 404 && response.status !== 422) {
        throw unreachable(options.url, `${method} ${path} was answered with HTTP ${response.status}${messageOf(answer)}`)
      }
      return { status: response.status, body: answer }
    } catch (error) {
      if (isSluiceError(error)) throw error
      assertTrusted(options.url, error)
      throw unreachable(options.url, error instanceof Error ? causeText(error) : String(error), error)
    }
  }
  const subjectPath = (subject: string): string => encodeURIComponent(subject)
  return {
    incompatibilities: async (subject, schemaText) => {
      const path = `/compatibility/subjects/${subjectPath(subject)}/versions/latest?verbose=true`
      const { status, body } = await request('POST', path, { schema: schemaText, schemaType: 'AVRO' })
      // A subject without a version: anything goes.
      if (status === 404) return []
      if (status === 422) return [`the registry can not read the schema${messageOf(body)}`]
      if (field(body, 'is_compatible') === true) return []
      const messages = field(body, 'messages')
      return ['it is not backward compatible', ...(Array.isArray(messages) ? messages.map(reasonText) : [])]
    },
    requireBackward: async (subject) => {
      await request('PUT', `/config/${subjectPath(subject)}`, { compatibility: 'BACKWARD' })
    },
    registeredId: async (subject, schemaText) => {
      const { status, body } = await request('POST', `/subjects/${subjectPath(subject)}`, {
        schema: schemaText,
        schemaType: 'AVRO',
      })
      const id = field(body, 'id')
      return status === 200 && typeof id === 'number' ? id : null
    },
    schemaText: async (id) => {
      const { status, body } = await request('GET', `/schemas/ids/${id}`)
      const schema = field(body, 'schema')
      if (status !== 404 && typeof schema === 'string') return schema
      throw new SluiceError('EVENT_NOT_DECODABLE', {
        what: `the schema registry has no schema ${id}`,
        why: `GET /schemas/ids/${id} was answered with HTTP ${status}`,
        ways: ['restore the registry from its copy', `curl ${options.url}/subjects    shows what it has`],
      })
    },
    latestSchemaText: async (subject) => {
      const { status, body } = await request('GET', `/subjects/${subjectPath(subject)}/versions/latest`)
      const schema = field(body, 'schema')
      return status !== 404 && typeof schema === 'string' ? schema : null
    },
    ping: async () => {
      await request('GET', '/subjects')
    },
  }
}

function authorization(auth: RegistryAuth | undefined): Record<string, string> {
  if (auth === undefined) return {}
  return { authorization: `Basic ${Buffer.from(`${auth.username}:${auth.password}`).toString('base64')}` }
}

function field(of: unknown, name: string): unknown {
  return typeof of === 'object' && of !== null ? Reflect.get(of, name) : undefined
}

function messageOf(body: unknown): string {
  const message = field(body, 'message')
  return typeof message === 'string' ? `: ${message}` : ''
}

function reasonText(reason: unknown): string {
  return typeof reason === 'string' ? reason : JSON.stringify(reason)
}

/** fetch says "fetch failed" and keeps the reason in the cause. */
function causeText(error: Error): string {
  if (!(error.cause instanceof Error)) return error.message
  if (error.cause.message !== '') return `${error.message}: ${error.cause.message}`
  return `${error.message}: ${'code' in error.cause ? String(error.cause.code) : error.cause.name}`
}

/** @throws SluiceError SLU-7009 if the error is about the registry's certificate */
function assertTrusted(url: string, error: unknown): void {
  const certificate = certificateFault(error)
  if (!certificate) return
  const { host, port, hostname, origin } = new URL(url)
  throw new SluiceError('CERTIFICATE_REFUSED', {
    what: `the schema registry at ${origin} is not trusted`,
    why: certificate.why,
    ways: [
      `openssl s_client -connect ${port === '' ? `${hostname}:443` : host} </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer -dates -ext subjectAltName`,
      'export NODE_EXTRA_CA_CERTS=/path/to/ca.pem    the file of the authority that signed it',
    ],
    cause: error,
  })
}

function unreachable(url: string, why: string, cause?: unknown): SluiceError {
  const shown = url.replace(/\/\/[^/@]*@/, '//')
  return new SluiceError('REGISTRY_UNREACHABLE', {
    what: `the schema registry at ${shown} does not answer as one`,
    why,
    ways: [`curl ${shown}/subjects    then start the registry, or: export SCHEMA_REGISTRY_URL=http://host:8081`],
    ...(cause === undefined ? {} : { cause }),
  })
}
