/**
 * The shape of a definition, for what the compiler did not see: a module in plain JavaScript, or an export that is something
 * else. Only what the other checks and the engines rely on.
 */
import { z } from 'zod'
import type { SystemDefinition } from '../system-definition.ts'
import type { Mistake } from './mistake.ts'

const url = z.instanceof(URL, { error: "must be a URL: new URL('./folder/', import.meta.url)" })
const names = z.array(z.string())
const topic = z.looseObject({
  name: z.string(),
  partitions: z.number(),
  retentionMs: z.number(),
  headers: z.enum(['default', 'cloudevents']),
})
const outbox = z.looseObject({ schema: z.string().optional(), table: z.string().optional(), topic })
const columnType = z.looseObject({
  sqlType: z.string().min(1),
  avro: z.looseObject({ form: z.string() }),
  isNullable: z.boolean(),
  isSourceOnly: z.boolean(),
  labels: names.optional(),
})
const privacyRule = z.discriminatedUnion(
  'kind',
  [
    z.looseObject({ kind: z.literal('drop') }),
    z.looseObject({ kind: z.literal('mask'), placeholder: z.string(), keepLast: z.number() }),
    z.looseObject({ kind: z.literal('hash') }),
    z.looseObject({ kind: z.literal('encrypt'), subject: z.string(), subjectKind: z.string() }),
  ],
  { error: 'must be made by drop(), mask(…), hash() or encrypt(…)' },
)
const table = z.looseObject(
  {
    kind: z.literal('table'),
    schema: z.string(),
    name: z.string(),
    columns: z.record(z.string(), columnType),
    columnNames: names,
    sourceColumns: z.record(z.string(), columnType),
    privacy: z.record(z.string(), privacyRule),
    key: names,
    aggregateType: z.string(),
    eventTypes: z.record(z.string(), z.string()),
    topic,
  },
  { error: 'must be made by table(…)' },
)
const columnRef = z.looseObject({ kind: z.literal('column'), name: z.string() })
const expression = z.looseObject({ kind: z.literal('expression'), literals: names, refs: z.array(columnRef) })
const mapping = z.looseObject({
  kind: z.literal('mapping'),
  name: z.string(),
  source: table,
  targetSchema: z.string(),
  target: z.string(),
  columns: z.record(z.string(), z.union([columnRef, expression], { error: 'must be a column, or SQL written with sql`…`' })),
  tracking: z.record(
    z.string(),
    z.union([columnRef, expression], { error: 'must be a field of the event, or SQL written with sql`…`' }),
  ),
  targetKey: names,
  filter: expression.nullable(),
  copyOf: z.string().nullable(),
})
const expectation = z.looseObject({
  source: z.string().optional(),
  targetSchema: z.string(),
  target: z.string(),
  key: names,
  columns: names,
  query: z.string(),
})
const heldColumn = z.looseObject(
  {
    table,
    column: z.string(),
    targetSchema: z.string(),
    target: z.string(),
    targetColumn: z.string(),
    subjectColumn: z.string(),
  },
  { error: 'must be made by held(…)' },
)
const handler = z.looseObject({
  kind: z.literal('handler'),
  name: z.string(),
  tables: z.array(table),
  eventTypes: names,
  expectations: z.array(expectation),
  holds: z.array(heldColumn).nullable(),
  isEventsOnly: z.boolean(),
  isOverKeys: z.boolean(),
  apply: z.custom((value) => typeof value === 'function', { error: 'must be a function' }),
})
const projection = z.discriminatedUnion('kind', [mapping, handler], { error: 'must be made by mapTable(…) or handler(…)' })
const grant = z.looseObject(
  { kind: z.literal('decrypt'), table, columns: z.record(z.string(), z.string().nullable()) },
  { error: 'must be made by decrypt(…)' },
)
const sinkSource = z.union([columnRef, z.looseObject({ kind: z.literal('event field'), field: z.string() })], {
  error: 'must be a column, or a field of the event',
})
const sinkTable = z.looseObject(
  {
    kind: z.enum(['events', 'objects']),
    store: z.enum(['clickhouse', 'weaviate']),
    name: z.string(),
    source: table,
    columns: z.record(z.string(), sinkSource),
    structure: url,
    history: z.looseObject({ eventType: z.string(), column: columnRef, days: z.number() }).nullable(),
  },
  { error: 'must be made by clickhouseEvents(…)' },
)
const count = z.int({ error: 'must be a whole number' }).nonnegative()
const service = z.looseObject({
  database: z.string().optional(),
  migrations: url,
  projections: z.array(projection),
  decrypt: z.array(grant).optional(),
  outbox: outbox.optional(),
  independent: z.boolean().optional(),
  extensions: names.optional(),
  roles: z.looseObject({ projector: z.string(), verifier: z.string(), others: names.optional() }).optional(),
  ownTables: names.optional(),
  connections: z.looseObject({ server: count, pool: count, clients: count.optional() }).optional(),
  sinks: z.array(sinkTable).optional(),
})
const system = z.looseObject({
  name: z.string(),
  title: z.string().optional(),
  avroSchemas: url,
  monolith: z.looseObject({ migrations: url.optional(), tables: z.array(table), outbox: outbox.optional() }),
  services: z.record(z.string(), service),
  connectionLimits: z.looseObject({ total: count, reserved: count.optional(), monitoring: count.optional() }).optional(),
})

/** Mistakes of shape. When there are none, the value is a definition whose contents can be checked. */
export function shapeMistakes(value: unknown): readonly Mistake[] {
  const result = system.safeParse(value)
  if (result.success) return []
  return result.error.issues.map((issue) => ({ place: placeOf(issue.path), problem: issue.message }))
}

export function hasShape(value: unknown, mistakes: readonly Mistake[]): value is SystemDefinition {
  return mistakes.length === 0 && typeof value === 'object' && value !== null
}

function placeOf(path: readonly PropertyKey[]): string {
  const text = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('')
  return text === '' ? 'the definition' : text.replace(/^\./, '')
}
