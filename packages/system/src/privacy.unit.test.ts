import { expect, expectTypeOf, test } from 'vitest'
import {
  type ColumnRef,
  type HeldColumn,
  type ServiceDefinition,
  type SystemDefinition,
  bigint,
  clearColumnsOf,
  date,
  decrypt,
  drop,
  encrypt,
  grantedMapping,
  handler,
  hash,
  held,
  mapTable,
  mask,
  sql,
  table,
  text,
  topic,
} from './index.ts'
import { systemMistakes } from './checks/system-mistakes.ts'

const columns = {
  id: bigint(),
  person_id: bigint(),
  email: text(),
  born: date().nullable(),
  card: text(),
  iban: text(),
}
const people = table('people', {
  aggregate: 'Person',
  key: ['id'],
  topic: topic('shop.people'),
  columns,
  privacy: { email: hash(), born: encrypt({ subject: 'person_id' }), card: mask('****', { keepLast: 4 }), iban: drop() },
})

function systemWith(tables: SystemDefinition['monolith']['tables'], service: Partial<ServiceDefinition> = {}): SystemDefinition {
  const migrations = new URL('file:///none/')
  const projections = [mapTable(people, { into: 'people' })]
  return {
    name: 'shop',
    avroSchemas: migrations,
    monolith: { tables },
    services: { crm: { migrations, projections, ...service } },
  }
}

function mistakesOf(system: SystemDefinition): readonly string[] {
  return systemMistakes(system).map(({ place, problem }) => `${place}: ${problem}`)
}

/** A table with one rule; what the compiler would refuse goes through a loose type, as from plain JavaScript. */
function ruled(privacy: Record<string, ReturnType<typeof hash | typeof drop | typeof mask | typeof encrypt>>, key = ['id']) {
  const loose: Parameters<typeof table>[1] = { aggregate: 'Person', key, topic: topic('shop.people'), columns, privacy }
  const ruledTable = table('people', loose)
  return mistakesOf(systemWith([ruledTable], { projections: [mapTable(ruledTable, { into: 'people' })] }))
}

test('a captured form is text wherever it goes; the source keeps its type', () => {
  expect(people.columnNames).toEqual(['id', 'person_id', 'email', 'born', 'card'])
  expect(people.columns.born).toMatchObject({ sqlType: 'text', avro: { form: 'text' }, isNullable: true })
  expect(people.columns.person_id.sqlType).toBe('bigint')
  expect(people.sourceColumns['born']).toMatchObject({ sqlType: 'date' })
  expect(people.sourceColumns['iban']).toMatchObject({ sqlType: 'text' })
})

test('a dropped column is no column for mappings, and a subject must be a column: the compiler says so', () => {
  mapTable(people, {
    into: 'people',
    columns: (c) => {
      expectTypeOf(c).toHaveProperty('born').toEqualTypeOf<ColumnRef<'born'>>()
      // @ts-expect-error it is dropped
      expect(c.iban).toBeUndefined()
      return { id: c.id }
    },
  })
  const base = { aggregate: 'Person', key: ['id'], topic: topic('shop.people'), columns } as const
  // @ts-expect-error there is no column "user"
  table('people', { ...base, privacy: { born: encrypt({ subject: 'user' }) } })
})

test('a key may be hashed and nothing else', () => {
  expect(ruled({ id: hash() })).toEqual([])
  expect(ruled({ id: encrypt({ subject: 'person_id' }) })).toEqual([
    'monolith.tables[0].privacy.id: "id" is of the primary key, which may be hashed, not encrypted',
  ])
  expect(ruled({ id: mask('*') })).toEqual([
    'monolith.tables[0].privacy.id: "id" is of the primary key, which may be hashed, not masked',
  ])
  expect(ruled({ id: drop() })).toContain(
    'monolith.tables[0].privacy.id: "id" is of the primary key, which may be hashed, not dropped',
  )
})

test('a subject is another column that is never NULL, in the clear or hashed', () => {
  expect(ruled({ card: encrypt({ subject: 'person_id' }), person_id: hash() })).toEqual([])
  expect(ruled({ card: encrypt({ subject: 'nobody' }) })).toEqual([
    'monolith.tables[0].privacy.card: the subject column "nobody" is not among the columns of public.people',
  ])
  expect(ruled({ card: encrypt({ subject: 'card' }) })).toEqual([
    'monolith.tables[0].privacy.card: a column can not be its own subject: its value would be needed to find its key',
  ])
  expect(ruled({ card: encrypt({ subject: 'born' }) })).toEqual([
    'monolith.tables[0].privacy.card: the subject column "born" is nullable: a row without a subject has no key',
  ])
  expect(ruled({ card: encrypt({ subject: 'email' }), email: encrypt({ subject: 'person_id' }) })).toEqual([
    'monolith.tables[0].privacy.card: the subject column "email" may be hashed, not encrypted',
  ])
  expect(ruled({ card: encrypt({ subject: 'email' }), email: drop() })).toEqual([
    'monolith.tables[0].privacy.card: the subject column "email" may be hashed, not dropped',
  ])
  expect(ruled({ card: encrypt({ subject: 'person_id', kind: 'A person' }) })).toEqual([
    'monolith.tables[0].privacy.card: the kind "A person" must be lower case letters, digits and underscores, and begin with a letter',
  ])
})

test('every mistake is told at once, with its place', () => {
  expect(ruled({ nothing: hash(), card: mask(''), email: mask('x', { keepLast: -1 }), born: encrypt({ subject: 'x' }) })).toEqual(
    [
      'monolith.tables[0].privacy.nothing: public.people has no column "nothing"',
      'monolith.tables[0].privacy.card: the placeholder must be a text of one character or more, without NUL',
      'monolith.tables[0].privacy.email: keepLast is -1, it must be a whole number from 0 on',
      'monolith.tables[0].privacy.born: the subject column "x" is not among the columns of public.people',
    ],
  )
})

test('subjects of one kind have one form in every table, so that a person has one key', () => {
  const orders = table('orders', {
    aggregate: 'Order',
    key: ['id'],
    topic: topic('shop.orders'),
    columns: { id: bigint(), person_id: bigint(), address: text() },
    privacy: { person_id: hash(), address: encrypt({ subject: 'person_id' }) },
  })
  expect(mistakesOf(systemWith([people, orders]))).toEqual([
    'monolith.tables[1].privacy.address: subjects of kind "person" are hashed here and clear in monolith.tables[0].privacy.born',
  ])
})

test('a grant gives the mapping the type of the source, and says what an erasure overwrites', () => {
  const mapping = mapTable(people, { into: 'contacts', columns: (c) => ({ id: c.id, who: c.person_id, birthday: c.born }) })
  const service = { migrations: new URL('file:///none/'), projections: [mapping], decrypt: [decrypt(people, { born: null })] }
  expect(mistakesOf(systemWith([people], service))).toEqual([])
  expect(grantedMapping(service, mapping).source.columns['born']?.sqlType).toBe('date')
  expect(clearColumnsOf(service)).toEqual([
    {
      targetSchema: 'public',
      target: 'contacts',
      column: 'birthday',
      placeholder: null,
      subjectColumn: 'who',
      subjectKind: 'person',
    },
  ])
})

test('a grant is refused where an erasure could not find the clear value', () => {
  const granted = (projections: ServiceDefinition['projections']): readonly string[] =>
    mistakesOf(systemWith([people], { projections, decrypt: [decrypt(people, { born: null, email: '' })] }))
  const notEncrypted = 'services.crm.decrypt[0].columns.email: public.people.email is not encrypted, so there is nothing to grant'
  expect(granted([mapTable(people, { into: 'a', columns: (c) => ({ id: c.id, born: c.born }) })])).toEqual([
    notEncrypted,
    'services.crm.projections[0].columns: the subject column "person_id" is not held by a plain reference, by which an erasure finds the rows',
  ])
  expect(
    granted([
      mapTable(people, {
        into: 'a',
        columns: (c) => ({ id: c.id, year: sql`extract(year from ${c.born})` }),
        filter: (c) => sql`${c.born} > '2000-01-01'`,
      }),
      handler('counts', { tables: [people], apply: async () => Promise.resolve() }),
    ]),
  ).toEqual([
    notEncrypted,
    'services.crm.projections[0].columns.year: "born" is granted: it can be held as it is only, since an erasure overwrites it',
    'services.crm.projections[0].filter: "born" is granted: a filter would tell it after its erasure',
    'services.crm.projections[1].holds: public.people has granted columns: say where the handler keeps them, since an erasure overwrites them there; [] if nowhere',
  ])
})

test('a handler says where it keeps granted columns, and an erasure overwrites them there', () => {
  const counting = (holds: readonly HeldColumn[]): Partial<ServiceDefinition> => ({
    projections: [handler('ages', { tables: [people], holds, apply: async () => Promise.resolve() })],
    decrypt: [decrypt(people, { born: null })],
  })
  const born = held(people, 'born', { into: 'ages', subject: 'who', as: 'birthday' })
  expect(mistakesOf(systemWith([people], counting([born])))).toEqual([])
  expect(mistakesOf(systemWith([people], counting([])))).toEqual([])
  expect(clearColumnsOf({ migrations: new URL('file:///none/'), projections: [], ...counting([born]) })).toEqual([
    {
      targetSchema: 'public',
      target: 'ages',
      column: 'birthday',
      placeholder: null,
      subjectColumn: 'who',
      subjectKind: 'person',
    },
  ])
  expect(mistakesOf(systemWith([people], counting([held(people, 'email', { into: 'ages', subject: 'who' })])))).toEqual([
    "services.crm.projections[0].holds[0]: public.people.email is no granted column of the handler's tables",
  ])
})
