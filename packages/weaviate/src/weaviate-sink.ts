/**
 * Weaviate as a sink (decision 0022): an object an aggregate, with the embedding of its texts.
 *
 * W1  An object's id is its aggregate's id, so a repeat is written over itself.
 * W2  An object holds lane, position and id of the event it stands for. Rows that are not newer are left out, after a look at what is
 *     stored: Weaviate has no write on a condition. Between that look and the write stands only the projector's own lock on its lane.
 * W3  Requests are bounded in objects and bytes. What was written of a batch stays when a later request fails: the batch comes again.
 */
import { SluiceError } from '@sluice/core'
import type { Sink, SinkRefusal, SinkRow } from '@sluice/sink'
import { type SinkTable, type WeaviateClass, isWeaviateClass } from '@sluice/system'
import { EVENT_PROPERTY, LANE_PROPERTY, POSITION_PROPERTY, assertClass, classToMake, notProvisioned } from './class-structure.ts'
import type { Embedder } from './embedder.ts'
import { EmbeddingError } from './embedding-error.ts'
import { Embeddings } from './embeddings.ts'
import { exportObjects, importObjects } from './object-backup.ts'
import { type PlannedObject, planObjects } from './object-plan.ts'
import { requestsOf } from './object-requests.ts'
import { type PropertyValue, formsOf, propertyValue } from './property-value.ts'
import { sinkedObjects } from './sinked-objects.ts'
import { FIRST_ID, everyObject, storedObjects } from './stored-objects.ts'
import { type ObjectToWrite, WeaviateServer } from './weaviate-server.ts'

export interface WeaviateSinkOptions {
  readonly tables: readonly SinkTable[]
  readonly embedder: Embedder
  /** Of the server, without user and password. */
  readonly url: URL
  readonly apiKey?: string | undefined
  /** PEM text of the authorities that the server's certificate is verified with. @default the system's */
  readonly ca?: string | undefined
  /** Of one request. @default 30,000 */
  readonly timeoutMs?: number
}

const TIMEOUT_MS = 30_000
const PAGE = 500

/** @throws SluiceError SLU-5103 if one of the tables is no class of Weaviate */
export function weaviateSink(options: WeaviateSinkOptions): Sink {
  const { embedder } = options
  const classes = options.tables.map(asClass)
  const server = new WeaviateServer({ ...options, token: options.apiKey, timeoutMs: options.timeoutMs ?? TIMEOUT_MS })
  const embeddings = new Embeddings(embedder)
  return {
    store: 'weaviate',
    display: server.display,
    open: async () => {
      for (const table of classes) {
        assertClass(table, await server.classOf(table.name))
        await assertDimensions(server, table, embedder)
      }
    },
    missing: async () => {
      const missing: SinkTable[] = []
      for (const table of classes) if ((await server.classOf(table.name)) === null) missing.push(table)
      return missing
    },
    make: async (table) => {
      const made = asClass(table)
      if ((await server.classOf(made.name)) === null) await server.makeClass(await classToMake(made))
    },
    refusals: (rows) => refusalsOf(rows, embeddings),
    write: async (rows) => {
      const writer = new ObjectWriter(server, embeddings, embedder.version)
      const refusals: SinkRefusal[] = []
      for (const [table, ofTable] of Map.groupBy(rows, (row) => row.table)) {
        refusals.push(...(await writer.write(asClass(table), ofTable)))
      }
      return refusals
    },
    read: (table) => sinkedObjects(server, asClass(table), embedder),
    count: (table) => countObjects(server, asClass(table)),
    exportRows: (table, signal) => exportObjects(server, asClass(table), signal),
    importRows: (table, rows) => importObjects(server, asClass(table), rows),
    close: () => {
      server.close()
      embedder.close()
      return Promise.resolve()
    },
  }
}

function asClass(table: SinkTable): WeaviateClass {
  if (isWeaviateClass(table)) return table
  throw new SluiceError('SINK_NOT_PROVISIONED', {
    what: `the table ${table.name} is no class of weaviate`,
    why: `its definition says ${table.store}, ${table.kind}`,
    ways: ['define it with weaviateObjects(…)'],
  })
}

/** Vectors of one class have one length: another embedder needs the objects made anew. */
async function assertDimensions(server: WeaviateServer, table: WeaviateClass, { name, dimensions }: Embedder): Promise<void> {
  const [first] = await server.objectsAfter(table.name, FIRST_ID, 1, 'vector')
  const found = first?.vector?.length ?? 0
  if (found === 0 || found === dimensions) return
  throw notProvisioned(table, `its objects have vectors of ${found} numbers, those of the embedder "${name}" have ${dimensions}`)
}

/** Rows with a value that no property holds, or a text that can not be embedded now. */
async function refusalsOf(rows: readonly SinkRow[], embeddings: Embeddings): Promise<readonly SinkRefusal[]> {
  const written = rows.filter((row) => row.op !== 'd' && row.op !== 't')
  const unholdable = written.flatMap((row) => unholdableValue(row) ?? [])
  const refused = new Set(unholdable.map((refusal) => refusal.eventId))
  const whole = written.flatMap((row) => {
    const text = refused.has(row.eventId) ? null : embeddedText(asClass(row.table), row.values)
    return text === null ? [] : [{ row, text }]
  })
  const found = await embeddings.of(whole.map(({ text }) => text))
  const unembedded = whole.flatMap(({ row }, i) => {
    const embedding = found[i]
    return embedding instanceof EmbeddingError ? [notEmbedded(row, embedding)] : []
  })
  return [...unholdable, ...unembedded]
}

function unholdableValue({ eventId, table, values }: SinkRow): SinkRefusal | null {
  const forms = formsOf(table)
  const column = Object.entries(values).find(
    ([name, text]) => text !== null && propertyValue(forms.get(name)!, text) === null,
  )?.[0]
  if (column === undefined) return null
  const message = `column ${column} of ${table.name} holds an array with NULLs or of several dimensions, which a property does not hold`
  return { eventId, table: table.name, column, message }
}

function notEmbedded({ eventId, table }: SinkRow, { message }: EmbeddingError): SinkRefusal {
  return { code: 'SLU-5105', eventId, table: table.name, column: null, message: `there is no embedding: ${message}` }
}

/** Null where a part of it is not in the row. */
function embeddedText({ embedded }: WeaviateClass, values: SinkRow['values']): string | null {
  const texts = embedded.map((name) => values[name])
  return texts.includes(undefined) ? null : texts.filter((text) => text != null && text !== '').join('\n\n')
}

class ObjectWriter {
  readonly #server: WeaviateServer
  readonly #embeddings: Embeddings
  readonly #version: number

  constructor(server: WeaviateServer, embeddings: Embeddings, version: number) {
    this.#server = server
    this.#embeddings = embeddings
    this.#version = version
  }

  /** Rows of one class in order; what a truncate comes after is written before it. */
  async write(table: WeaviateClass, rows: readonly SinkRow[]): Promise<readonly SinkRefusal[]> {
    let begin = 0
    for (let at = 0; at <= rows.length; at++) {
      const row = rows[at]
      if (row !== undefined && row.op !== 't') continue
      const refusals = await this.#writeObjects(table, rows.slice(begin, at))
      if (refusals.length > 0) return refusals
      if (row !== undefined) await this.#truncate(table, row)
      begin = at + 1
    }
    return []
  }

  async #writeObjects(table: WeaviateClass, rows: readonly SinkRow[]): Promise<readonly SinkRefusal[]> {
    if (rows.length === 0) return []
    const plan = planObjects(rows, await storedObjects(this.#server, table, [...new Set(rows.map((row) => row.aggregateId))]))
    const texts = plan.writes.map((object) => embeddedText(table, object.values) ?? '')
    const vectors = await this.#embeddings.of(texts)
    const unembedded = plan.writes.flatMap(({ row }, i) => {
      const vector = vectors[i]
      return vector instanceof EmbeddingError ? [notEmbedded(row, vector)] : []
    })
    // The batch comes again without the refused events: a change of key, of which only the removal was done, must not be left.
    if (plan.refusals.length + unembedded.length > 0) return [...plan.refusals, ...unembedded]
    const objects = plan.writes.flatMap((object, i) => {
      const vector = vectors[i]
      return vector instanceof Float32Array ? [{ object, toWrite: this.#objectOf(table, object, vector) }] : []
    })
    const refused = new Set<string>()
    for (const part of requestsOf(objects.map(({ toWrite }) => toWrite))) {
      for (const id of await this.#server.write(part)) refused.add(id)
    }
    if (refused.size > 0)
      return objects.flatMap(({ object }) => (refused.has(object.aggregateId) ? [refusedObject(object.row)] : []))
    for (const id of plan.removals) await this.#server.remove(table.name, id)
    return []
  }

  /** Objects that an older event wrote. Their number is not known, and the server removes a part at a time. */
  async #truncate(table: WeaviateClass, { lane, position }: SinkRow): Promise<void> {
    const where = {
      operator: 'And',
      operands: [
        { path: [LANE_PROPERTY], operator: 'Equal', valueInt: lane },
        { path: [POSITION_PROPERTY], operator: 'LessThan', valueInt: Number(position) },
      ],
    }
    while ((await this.#server.removeWhere(table.name, where)) > 0);
  }

  #objectOf(
    table: WeaviateClass,
    { aggregateId, lane, position, eventId, values }: PlannedObject,
    vector: Float32Array,
  ): ObjectToWrite {
    const forms = formsOf(table)
    const properties: Record<string, PropertyValue> = {
      [EVENT_PROPERTY]: eventId,
      [LANE_PROPERTY]: lane,
      [POSITION_PROPERTY]: Number(position),
      [table.embeddingVersion]: this.#version,
    }
    for (const [name, text] of Object.entries(values)) {
      const value = text == null ? null : propertyValue(forms.get(name)!, text)
      if (value !== null) properties[name] = value
    }
    return { class: table.name, id: aggregateId, properties, vector: [...vector] }
  }
}

function refusedObject({ eventId, table }: SinkRow): SinkRefusal {
  return { eventId, table: table.name, column: null, message: `weaviate refused the object of ${table.name}` }
}

async function countObjects(server: WeaviateServer, table: WeaviateClass): Promise<bigint> {
  let count = 0n
  for await (const objects of everyObject(server, table, PAGE)) count += BigInt(objects.length)
  return count
}
