/**
 * Weaviate's REST interface, as far as the sink needs it. Its own client speaks gRPC beside HTTP and brings 46 packages; these are
 * seven requests (decision 0022).
 *
 * https://docs.weaviate.io/weaviate/api/rest
 */
import { type ErrorName, SluiceError, certificateFault } from '@sluice/core'
import { z } from 'zod'
import { type JsonAnswer, JsonEndpoint, type JsonEndpointOptions, NoAnswerError } from './json-endpoint.ts'

const classSchema = z.object({
  class: z.string(),
  properties: z.array(z.object({ name: z.string(), dataType: z.array(z.string()) })).nullish(),
})
export const objectSchema = z.object({
  id: z.string(),
  properties: z.record(z.string(), z.unknown()).nullish(),
  vector: z.array(z.number()).nullish(),
})
const listSchema = z.object({ objects: z.array(objectSchema).nullish() })
const batchSchema = z.array(z.object({ id: z.string(), result: z.object({ status: z.string().nullish() }).nullish() }))
const removalSchema = z.object({ results: z.object({ matches: z.int(), failed: z.int() }) })
const refusalSchema = z.object({ error: z.array(z.object({ message: z.string() })).nullish() })

export type WeaviateClassStructure = z.infer<typeof classSchema>
export type WeaviateObject = z.infer<typeof objectSchema>

export interface ObjectToWrite {
  readonly class: string
  readonly id: string
  readonly properties: Readonly<Record<string, unknown>>
  readonly vector: readonly number[]
}

/** Every method throws SLU-5101 if the server does not answer, SLU-5102 if it refuses. */
export class WeaviateServer {
  readonly #endpoint: JsonEndpoint

  constructor(options: JsonEndpointOptions) {
    this.#endpoint = new JsonEndpoint(options)
  }

  get display(): string {
    return `weaviate at ${this.#endpoint.display}`
  }

  /** Null if there is no such class. */
  async classOf(name: string): Promise<WeaviateClassStructure | null> {
    const answer = await this.#ask('GET', `/v1/schema/${encodeURIComponent(name)}`, undefined, [200, 404])
    return answer.status === 404 ? null : this.#read(classSchema, answer)
  }

  /** @param structure As in the file, with the properties that Sluice adds. */
  async makeClass(structure: object): Promise<void> {
    await this.#ask('POST', '/v1/schema', structure, [200])
  }

  /** Null if there is none. */
  async object(className: string, id: string, include?: 'vector'): Promise<WeaviateObject | null> {
    const query = include === undefined ? '' : `?include=${include}`
    const answer = await this.#ask('GET', `/v1/objects/${encodeURIComponent(className)}/${id}${query}`, undefined, [200, 404])
    return answer.status === 404 ? null : this.#read(objectSchema, answer)
  }

  /** Objects after an id, in the order of ids. The id is needed: without one the server pages in another order. */
  async objectsAfter(className: string, after: string, limit: number, include?: 'vector'): Promise<readonly WeaviateObject[]> {
    const query = new URLSearchParams({
      class: className,
      limit: String(limit),
      after,
      ...(include === undefined ? {} : { include }),
    })
    return this.#read(listSchema, await this.#ask('GET', `/v1/objects?${query.toString()}`, undefined, [200])).objects ?? []
  }

  /** Writes objects, new or in the place of those with their ids. @returns ids of those that it refuses */
  async write(objects: readonly ObjectToWrite[]): Promise<readonly string[]> {
    const answer = await this.#ask('POST', '/v1/batch/objects', { objects }, [200])
    const results = this.#read(batchSchema, answer)
    const written = new Set(results.filter(({ result }) => result?.status === 'SUCCESS').map(({ id }) => id))
    return objects.map(({ id }) => id).filter((id) => !written.has(id))
  }

  /** It may be gone already. */
  async remove(className: string, id: string): Promise<void> {
    await this.#ask('DELETE', `/v1/objects/${encodeURIComponent(className)}/${id}`, undefined, [204, 404])
  }

  /** Removes objects that a condition takes, as many as the server does at once. @returns how many it took */
  async removeWhere(className: string, where: object): Promise<number> {
    const body = { match: { class: className, where }, output: 'minimal', dryRun: false }
    const answer = await this.#ask('DELETE', '/v1/batch/objects', body, [200])
    const { results } = this.#read(removalSchema, answer)
    if (results.failed === 0) return results.matches
    throw this.#fault('SINK_UNREACHABLE', `it did not remove ${results.failed} of ${results.matches} objects of ${className}`)
  }

  close(): void {
    this.#endpoint.close()
  }

  async #ask(method: string, path: string, body: object | undefined, expected: readonly number[]): Promise<JsonAnswer> {
    let answer: JsonAnswer
    try {
      answer = await this.#endpoint.request(method, path, body)
    } catch (error) {
      if (!(error instanceof NoAnswerError)) throw error
      throw this.#fault('SINK_UNREACHABLE', error.message, error)
    }
    const { status } = answer
    if (expected.includes(status)) return answer
    const isBusy = status === 429 || status >= 500
    // What it says of a request that is wrong names properties and types; of an object it may name values, and is left out.
    const reason = path.startsWith('/v1/schema') ? reasonOf(answer) : ''
    throw this.#fault(isBusy ? 'SINK_UNREACHABLE' : 'SINK_REFUSED', `${method} was answered with HTTP ${status}${reason}`)
  }

  #read<T>(schema: z.ZodType<T>, { body, status }: JsonAnswer): T {
    const read = schema.safeParse(body)
    if (read.success) return read.data
    throw this.#fault('SINK_REFUSED', `an answer with HTTP ${status} has another form than Weaviate's`)
  }

  #fault(code: ErrorName, why: string, cause?: unknown): SluiceError {
    return new SluiceError(code, {
      what: `the sink ${this.display} ${code === 'SINK_UNREACHABLE' ? 'does not answer' : 'refuses what it was asked for'}`,
      why,
      ways: certificateFault(cause)
        ? ['export SLUICE_<SERVICE>_WEAVIATE_CA_FILE=/path/to/ca.pem    the file of the authority that signed it']
        : [`curl ${this.#endpoint.display}/v1/meta    shows whether it is there`, 'check the URL of the sink, and its API key'],
      ...(cause === undefined ? {} : { cause }),
    })
  }
}

function reasonOf({ body }: JsonAnswer): string {
  const refusal = refusalSchema.safeParse(body)
  const message = refusal.success ? refusal.data.error?.[0]?.message : undefined
  return message === undefined ? '' : `: ${message}`
}
