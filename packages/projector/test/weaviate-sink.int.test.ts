/** A projector with a class of Weaviate: what becomes of kills, replays and an embedder that is away. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { installFaultPoints } from '@sluice/core'
import { type LocalWeaviate, canBuildWeaviate, givenWeaviate, startWeaviate } from '@sluice/infra'
import type { Sink, SinkedRow } from '@sluice/sink'
import { type SystemDefinition, type WeaviateClass, weaviateObjects } from '@sluice/system'
import { type Embedder, EmbeddingError, deterministicEmbedder, weaviateSink } from '@sluice/weaviate'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { workOnParked } from '../src/index.ts'
import { type RunningProjector, Shop } from './projector-fixture.ts'
import { customer } from './shop-rows.ts'
import { SERVICE, customers, shop } from './shop-system.ts'
import { created, deleted, jsonDecoder, updated } from './test-lane.ts'

let server: LocalWeaviate | undefined
let url: URL
let folder: string
let classes = 0

const isHere = givenWeaviate(process.env) !== undefined || canBuildWeaviate()
beforeEach((context) => {
  context.skip(!isHere, 'Weaviate is built by Go, which is not here')
})

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'weaviate-'))
  if (!isHere) return
  const given = givenWeaviate(process.env)
  if (given === undefined) server = await startWeaviate()
  url = new URL(given ?? server!.url)
}, 900_000)
afterAll(async () => {
  await server?.remove()
  await rm(folder, { recursive: true })
})
afterEach(() => {
  installFaultPoints(null)
})

/** A shop whose customers are in a class, too. */
class WeaviateShop {
  readonly shop: Shop
  readonly clients: WeaviateClass
  readonly system: SystemDefinition
  embedder: Embedder = deterministicEmbedder()

  private constructor(service: Shop, clients: WeaviateClass) {
    this.shop = service
    this.clients = clients
    this.system = { ...shop, services: { [SERVICE]: { ...shop.services[SERVICE]!, sinks: [clients] } } }
  }

  static async open(): Promise<WeaviateShop> {
    classes += 1
    const name = `Client${Date.now()}x${classes}`
    const file = join(folder, `${name}.json`)
    const properties = ['name', 'bio'].map((property) => ({ name: property, dataType: ['text'] }))
    const version = { name: 'embeddings_version', dataType: ['int'] }
    await writeFile(file, JSON.stringify({ class: name, properties: [...properties, version] }))
    const clients = weaviateObjects(customers, {
      into: name,
      structure: pathToFileURL(file),
      columns: (c) => ({ name: c['name']!, bio: c['bio']! }),
      embedded: ['name', 'bio'],
    })
    const made = new WeaviateShop(await Shop.open(), clients)
    const sink = made.openSink()
    await sink.make(clients)
    await sink.close()
    return made
  }

  readonly openSink = (): Sink => weaviateSink({ tables: [this.clients], embedder: this.embedder, url })

  start(): RunningProjector {
    return this.shop.start({}, { system: this.system, openSink: this.openSink })
  }

  async applyAll(): Promise<void> {
    const projector = this.start()
    await this.shop.appliedBy(projector)
    await projector.stop()
  }

  async retryAll(): Promise<void> {
    const { target } = this.shop
    const { signal } = new AbortController()
    const service = { system: this.system, service: SERVICE, target, decoder: jsonDecoder, signal, claims: null }
    const request = { command: 'retry', selection: {}, requestedBy: 'test', reason: null } as const
    await workOnParked({ ...service, openSink: this.openSink }, request)
  }

  async objects(): Promise<readonly SinkedRow[]> {
    const sink = this.openSink()
    const rows: SinkedRow[] = []
    for await (const piece of sink.read(this.clients)) rows.push(...piece)
    await sink.close()
    return rows
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.shop[Symbol.asyncDispose]()
  }
}

const id = (n: number): string => `00000000-0000-4000-8000-00000000000${n}`
const row = (n: number, name: string): Record<string, string | null> => customer(id(n), { email: null, name })

test.each(['projector.after-rows', 'projector.after-sink', 'projector.before-commit'] as const)(
  'killed at %s, the class is equal afterwards, and equal after a replay from offset 0',
  async (point) => {
    await using service = await WeaviateShop.open()
    service.shop.lane.commit(created(customers, row(1, 'Ann')), created(customers, row(2, 'Bob')))
    service.shop.lane.commit(
      updated(customers, row(1, 'Anna')),
      deleted(customers, { id: id(2) }),
      created(customers, row(3, 'Cem')),
    )
    installFaultPoints((passed) => {
      if (passed !== point) return
      installFaultPoints(null)
      throw new Error(`killed at ${point}`)
    })
    await expect(service.start().ended).rejects.toThrow(/killed/)
    await service.applyAll()
    const equal = [
      { aggregateId: id(1), position: 3n, values: { name: 'Anna', bio: 'a long story' } },
      { aggregateId: id(3), position: 5n, values: { name: 'Cem', bio: 'a long story' } },
    ]
    expect(await service.objects()).toMatchObject(equal)
    await service.shop.client.query(
      'TRUNCATE clients, favourites, sightings, orders, processed_events, projector_positions, consumed_offsets CASCADE',
    )
    await service.applyAll()
    expect(await service.objects()).toMatchObject(equal)
    expect(await service.shop.rows('SELECT name FROM clients ORDER BY name')).toEqual([{ name: 'Anna' }, { name: 'Cem' }])
  },
)

test('an embedder that is away parks what needs it, in any number, and blocks nobody; a retry brings it', async () => {
  await using service = await WeaviateShop.open()
  service.embedder = { ...deterministicEmbedder(), embed: () => Promise.reject(new EmbeddingError('unreachable', 'it is away')) }
  const many = 150
  const ids = Array.from({ length: many }, (_, n) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`)
  service.shop.lane.commit(...ids.map((one) => created(customers, customer(one, { email: null, name: 'Ann' }))))
  service.shop.lane.commit(updated(customers, customer(ids[0]!, { email: null, name: 'Anna' })))
  await service.applyAll()
  const parked = await service.shop.rows(
    'SELECT error_code, waits_for IS NOT NULL AS waits, count(*)::integer FROM parked_events GROUP BY 1, 2 ORDER BY 2',
  )
  expect(parked).toMatchObject([
    { error_code: 'SLU-5105', waits: false, count: many },
    { waits: true, count: 1 },
  ])
  expect(await service.objects()).toEqual([])

  service.embedder = deterministicEmbedder()
  await service.retryAll()
  expect(await service.shop.rows('SELECT FROM parked_events')).toEqual([])
  const objects = await service.objects()
  expect(objects).toHaveLength(many)
  expect(objects.find(({ aggregateId }) => aggregateId === ids[0])).toMatchObject({ position: 151n, values: { name: 'Anna' } })
})
