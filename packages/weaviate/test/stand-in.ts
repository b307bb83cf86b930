/**
 * A stand-in for Weaviate's REST interface, in memory: what the sink asks, in the forms that Weaviate answers in. It says nothing
 * about Weaviate itself; the integration test runs on a real one.
 */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { z } from 'zod'

const batch = z.object({
  objects: z.array(
    z.object({ class: z.string(), id: z.string(), properties: z.record(z.string(), z.unknown()), vector: z.array(z.number()) }),
  ),
})
const removal = z.object({
  match: z.object({
    class: z.string(),
    where: z.object({ operands: z.tuple([z.object({ valueInt: z.number() }), z.object({ valueInt: z.number() })]) }),
  }),
})
const structure = z.looseObject({ class: z.string() })

type StoredObject = z.infer<typeof batch>['objects'][number]

export class WeaviateStandIn {
  readonly classes = new Map<string, unknown>()
  readonly objects = new Map<string, StoredObject>()
  /** Ids that it refuses in a batch. */
  readonly refused = new Set<string>()
  /** Method and path of every request. */
  readonly requests: string[] = []
  /** When set, every request is answered with it. */
  status: number | null = null
  readonly #server: Server

  constructor() {
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy())
    })
  }

  async listen(): Promise<URL> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return new URL(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`)
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://stand-in')
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(Buffer.from(chunk as Uint8Array))
    const text = Buffer.concat(chunks).toString('utf8')
    this.requests.push(`${request.method ?? ''} ${url.pathname}`)
    const [status, body] = this.status === null ? this.#act(request.method ?? '', url, text) : [this.status, null]
    response.writeHead(status, { 'content-type': 'application/json' }).end(body === null ? '' : JSON.stringify(body))
  }

  #act(method: string, { pathname, searchParams }: URL, text: string): [number, unknown] {
    const [, , kind = '', name = '', id = ''] = pathname.split('/')
    if (kind === 'schema' && method === 'POST') {
      const made = structure.parse(JSON.parse(text))
      this.classes.set(made.class, made)
      return [200, made]
    }
    if (kind === 'schema') return this.classes.has(name) ? [200, this.classes.get(name)] : [404, null]
    if (kind === 'batch') return method === 'POST' ? [200, this.#write(text)] : [200, this.#removeWhere(text)]
    if (name === '') return [200, { objects: this.#after(searchParams) }]
    if (method === 'DELETE') return this.objects.delete(id) ? [204, null] : [404, null]
    const object = this.objects.get(id)
    return object ? [200, object] : [404, null]
  }

  #write(text: string): unknown {
    return batch.parse(JSON.parse(text)).objects.map((object) => {
      const isRefused = this.refused.has(object.id)
      if (!isRefused) this.objects.set(object.id, object)
      return { ...object, result: { status: isRefused ? 'FAILED' : 'SUCCESS' } }
    })
  }

  #removeWhere(text: string): unknown {
    const [lane, position] = removal.parse(JSON.parse(text)).match.where.operands
    const taken = [...this.objects].filter(
      ([, { properties }]) =>
        properties['sluice_lane'] === lane.valueInt && Number(properties['sluice_position']) < position.valueInt,
    )
    for (const [id] of taken) this.objects.delete(id)
    return { results: { matches: taken.length, successful: taken.length, failed: 0 } }
  }

  #after(query: URLSearchParams): readonly StoredObject[] {
    const ids = [...this.objects.keys()].sort().filter((id) => id > (query.get('after') ?? ''))
    return ids.slice(0, Number(query.get('limit'))).map((id) => this.objects.get(id)!)
  }
}
