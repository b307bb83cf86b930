/**
 * The schema registry. Ids and schemas go through @kafkajs/confluent-schema-registry; the test of compatibility and the subject's
 * own setting, which that library does not offer, are one HTTP request each.
 *
 * https://docs.confluent.io/platform/current/schema-registry/develop/api.html
 */
import confluent from '@kafkajs/confluent-schema-registry'
import { SluiceError, isSluiceError } from '@sluice/core'
import type { AvroRecord } from './avro-schema.ts'
import { type RegistryAuth, registryHttp } from './registry-http.ts'
import { parseEventSchema } from './parse-schema.ts'
import { schemaDifferences } from './schema-differences.ts'

const { COMPATIBILITY, SchemaRegistry: ConfluentRegistry, SchemaType } = confluent

export interface SchemaRegistryOptions {
  /** Base of the Confluent-compatible API: `http://registry:8081`, or Apicurio's `…/apis/ccompat/v7`. */
  readonly url: string
  readonly auth?: RegistryAuth
}

export interface SchemaRegistry {
  /**
   * Registers a schema, after it was compared with the one before.
   *
   * @returns its id; the same for the same schema
   * @throws SluiceError SLU-4202 if it is not backward compatible with the registered one, SLU-4201
   */
  ensure(subject: string, schema: AvroRecord): Promise<number>
  /** Id of a schema that is registered already, or null. */
  find(subject: string, schema: AvroRecord): Promise<number | null>
  /** What stands in the way of registering a schema: empty if nothing. Changes nothing. */
  incompatibilities(subject: string, schema: AvroRecord): Promise<readonly string[]>
  /** The schema of an id; kept once it was read. @throws SluiceError SLU-4204 if it is no record, SLU-4201 */
  schemaOf(id: number): Promise<AvroRecord>
  /** Resolves if the registry answers. */
  ping(): Promise<void>
}

const RETRY = { retries: 2, initialRetryTimeInSecs: 0.1, maxRetryTimeInSecs: 1 }

export function createSchemaRegistry(options: SchemaRegistryOptions): SchemaRegistry {
  const http = registryHttp(options)
  const client = new ConfluentRegistry(clientOptions(options))
  const ids = new Map<string, number>()
  const schemas = new Map<number, AvroRecord>()

  const incompatibilities = async (subject: string, schema: AvroRecord): Promise<readonly string[]> => {
    const reasons = await http.incompatibilities(subject, JSON.stringify(schema))
    if (reasons.length === 0) return []
    const registered = await http.latestSchemaText(subject)
    return registered === null ? reasons : [...reasons, ...schemaDifferences(parseEventSchema(registered), schema)]
  }

  const ensure = async (subject: string, schema: AvroRecord): Promise<number> => {
    const text = JSON.stringify(schema)
    const known = ids.get(`${subject} ${text}`)
    if (known !== undefined) return known
    // First, since a registry whose default is NONE finds every schema compatible with every other.
    await http.requireBackward(subject)
    const reasons = await incompatibilities(subject, schema)
    if (reasons.length > 0) throw incompatible(subject, reasons)
    // The library sets the subject's compatibility after the first registration; a registry whose default is NONE would keep
    // that if this process died between, so it is set each time.
    const register = () =>
      client.register({ type: SchemaType.AVRO, schema: text }, { subject, compatibility: COMPATIBILITY.BACKWARD })
    const { id } = await guard(options, `register the schema of ${subject}`, register)
    await http.requireBackward(subject)
    ids.set(`${subject} ${text}`, id)
    return id
  }

  const schemaOf = async (id: number): Promise<AvroRecord> => {
    const known = schemas.get(id)
    if (known) return known
    const schema = parseEventSchema(await http.schemaText(id))
    schemas.set(id, schema)
    return schema
  }

  return {
    ensure,
    find: (subject, schema) => http.registeredId(subject, JSON.stringify(schema)),
    incompatibilities,
    schemaOf,
    ping: () => http.ping(),
  }
}

async function guard<T>(options: SchemaRegistryOptions, doing: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (isSluiceError(error)) throw error
    throw new SluiceError('REGISTRY_UNREACHABLE', {
      what: `can not ${doing}`,
      why: error instanceof Error ? error.message : String(error),
      ways: [
        `curl ${withoutCredentials(options.url)}/subjects    then start the registry, or: export SCHEMA_REGISTRY_URL=http://host:8081`,
      ],
      cause: error,
    })
  }
}

function withoutCredentials(url: string): string {
  return url.replace(/\/\/[^/@]*@/, '//')
}

/** The error of a schema that is not backward compatible with the registered one. */
export function incompatible(subject: string, reasons: readonly string[]): SluiceError {
  return new SluiceError('SCHEMA_INCOMPATIBLE', {
    what: `the schema of ${subject} is not compatible with the registered one`,
    why: reasons.join('; '),
    ways: [
      'keep the column with its type, or give the changed one a new name',
      `sluice schemas check    then, if no consumer needs the old events any more, delete the subject ${subject} from the registry`,
    ],
  })
}

function clientOptions({ url, auth }: SchemaRegistryOptions): ConstructorParameters<typeof ConfluentRegistry>[0] {
  const base = { host: url, retry: RETRY }
  return auth === undefined ? base : { ...base, auth: { username: auth.username, password: auth.password } }
}
