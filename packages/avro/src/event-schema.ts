/**
 * The Avro schema of each topic's values, derived from the captured tables: the envelope, and the row before and after.
 *
 * A column is a union: null, its typed form, PostgreSQL's text where the typed form can't hold every value, and
 * `Unavailable`, which says that PostgreSQL did not send the value. Enums and everything without a typed form are text.
 */
import { CLAIMED_ROWS } from '@sluice/core'
import type { AvroForm, CapturedTable, LaneDefinition, SystemDefinition } from '@sluice/system'
import { lanesOf, topicsOf } from '@sluice/system'
import { type AvroField, type AvroRecord, type AvroType, avroName, pascalCase } from './avro-schema.ts'

/** Types of an event's envelope that every schema of a system has. */
const OPERATIONS = ['c', 'u', 'd', 't', 'r', 'e'] as const

export interface TopicSchema {
  readonly topic: string
  /** TopicNameStrategy: `<topic>-value`. */
  readonly subject: string
  readonly schema: AvroRecord
  /** Captured tables whose events the topic carries, in the order of the union of rows. */
  readonly tables: readonly CapturedTable[]
  /** True if applications' own events are in the topic. */
  readonly hasOutbox: boolean
}

/** One schema a topic, over all lanes, in the order of the definition. */
export function deriveSchemas(system: SystemDefinition): readonly TopicSchema[] {
  const byTopic = new Map<string, TopicSchema>()
  for (const lane of lanesOf(system)) {
    for (const topic of topicsOf(lane)) {
      const before = byTopic.get(topic.name)
      const tables = [...new Set([...(before?.tables ?? []), ...lane.tables.filter((t) => t.topic.name === topic.name)])]
      const hasOutbox = (before?.hasOutbox ?? false) || lane.outbox?.topic.name === topic.name
      byTopic.set(topic.name, topicSchema(system.name, topic.name, tables, hasOutbox))
    }
  }
  return [...byTopic.values()]
}

/** The schemas of the topics that a lane publishes to. */
export function schemasOfLane(system: SystemDefinition, lane: LaneDefinition): readonly TopicSchema[] {
  const topics = new Set(topicsOf(lane).map((t) => t.name))
  return deriveSchemas(system).filter((s) => topics.has(s.topic))
}

function topicSchema(system: string, topic: string, tables: readonly CapturedTable[], hasOutbox: boolean): TopicSchema {
  const namespace = `sluice.${avroName(system)}`
  return {
    topic,
    subject: `${topic}-value`,
    tables,
    hasOutbox,
    schema: {
      type: 'record',
      name: pascalCase(topic),
      namespace,
      doc: `An event of topic ${topic}.`,
      fields: [
        ...ENVELOPE,
        ...rowFields(namespace, tables),
        ...(hasOutbox ? [PAYLOAD] : []),
        ...(tables.length > 0 ? [CLAIMS] : []),
      ],
    },
  }
}

const OPTIONAL_STRING: AvroType = ['null', 'string']

const ENVELOPE: readonly AvroField[] = [
  { name: 'event_id', type: { type: 'string', logicalType: 'uuid' } },
  { name: 'event_type', type: 'string' },
  { name: 'aggregate_type', type: 'string' },
  { name: 'aggregate_id', type: { type: 'string', logicalType: 'uuid' } },
  {
    name: 'aggregate_key',
    type: OPTIONAL_STRING,
    default: null,
    doc: "Text of the aggregate's key where that is not one uuid.",
  },
  { name: 'version', type: 'long', doc: 'From 1 on, without gaps, per aggregate.' },
  { name: 'lane', type: 'int' },
  { name: 'position', type: 'long', doc: 'Place in the lane, in commit order.' },
  { name: 'commit_lsn', type: 'string' },
  { name: 'committed_at', type: { type: 'long', logicalType: 'timestamp-micros' } },
  { name: 'correlation_id', type: 'string' },
  { name: 'causation_id', type: OPTIONAL_STRING, default: null },
  { name: 'user_id', type: OPTIONAL_STRING, default: null },
  { name: 'migration_id', type: OPTIONAL_STRING, default: null, doc: 'Run of the initial load or backfill.' },
  {
    name: 'op',
    type: { type: 'enum', name: 'Operation', symbols: OPERATIONS },
    doc: "Insert, update, delete, truncate, row of a load, an application's own event.",
  },
]

const PAYLOAD: AvroField = { name: 'payload', type: OPTIONAL_STRING, default: null, doc: 'JSON text of the own event.' }

/** Last and with a default, so that schemas from before it and subscribers that do not know it go on. */
const CLAIMS: AvroField = {
  name: 'claims',
  type: [
    'null',
    {
      type: 'array',
      items: {
        type: 'record',
        name: 'Claim',
        doc: "A value that is too large for the topic: its column is Unavailable here, and its text is in table claims of Sluice's pipeline database.",
        fields: [
          { name: 'claim_id', type: { type: 'string', logicalType: 'uuid' } },
          { name: 'row', type: { type: 'enum', name: 'ClaimedRow', symbols: CLAIMED_ROWS } },
          { name: 'column', type: 'string' },
          { name: 'bytes', type: 'long', doc: "Of the value's text in UTF-8." },
          { name: 'sha256', type: 'string', doc: 'Hex, over the same bytes.' },
        ],
      },
    },
  ],
  default: null,
  doc: 'Values that the message is too small for; null in nearly every event.',
}

function rowFields(namespace: string, tables: readonly CapturedTable[]): readonly AvroField[] {
  if (tables.length === 0) return []
  const unavailable: AvroRecord = {
    type: 'record',
    name: 'Unavailable',
    doc: 'PostgreSQL did not send the value, which is not NULL: keep what you have.',
    fields: [],
  }
  let isDefined = false
  const unavailableType = (): AvroType => {
    if (isDefined) return `${namespace}.Unavailable`
    isDefined = true
    return unavailable
  }
  const rows = tables.map((table) => rowRecord(table, unavailableType))
  const names = tables.map((table) => `${namespace}.${rowName(table)}`)
  return [
    { name: 'before', type: ['null', ...rows], default: null, doc: 'At least the key, where the operation has an old row.' },
    { name: 'after', type: ['null', ...names], default: null },
  ]
}

function rowName(table: CapturedTable): string {
  return `${avroName(table.aggregateType)}Row`
}

function rowRecord(table: CapturedTable, unavailable: () => AvroType): AvroRecord {
  return {
    type: 'record',
    name: rowName(table),
    doc: `A row of ${table.schema}.${table.name}.`,
    fields: table.columnNames.map((column) => {
      const type = table.columns[column]
      if (type === undefined) throw new Error(`column ${column} of ${table.name} has no type`)
      const name = avroName(column)
      return {
        name,
        type: ['null', ...typesOfForm(type.avro), unavailable()],
        default: null,
        ...(name === column ? {} : { column }),
      }
    }),
  }
}

/** The typed form, and text beside it where it does not hold every value of the column. */
export function typesOfForm(form: AvroForm): readonly AvroType[] {
  switch (form.form) {
    case 'text':
      return ['string']
    case 'uuid':
      return [{ type: 'string', logicalType: 'uuid' }]
    case 'boolean':
      return ['boolean']
    case 'int':
      return ['int']
    case 'long':
      return ['long']
    case 'bytes':
      return ['bytes']
    case 'float':
    case 'double':
      return [form.form, 'string']
    case 'date':
      return [{ type: 'int', logicalType: 'date' }, 'string']
    case 'time-micros':
    case 'timestamp-micros':
    case 'local-timestamp-micros':
      return [{ type: 'long', logicalType: form.form }, 'string']
    case 'decimal':
      if (form.scale < 0 || form.scale > form.precision) return ['string']
      return [{ type: 'bytes', logicalType: 'decimal', precision: form.precision, scale: form.scale }, 'string']
  }
}
