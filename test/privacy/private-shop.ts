/** A system with every rule of privacy: one service is granted the encrypted columns, the other one is not. */
import { randomBytes } from 'node:crypto'
import {
  type SystemDefinition,
  bigint,
  date,
  decrypt,
  defineSystem,
  drop,
  encrypt,
  handler,
  hash,
  held,
  mapTable,
  mask,
  numeric,
  table,
  text,
  topic,
} from '@sluice/system'

/** Rows are created before the pipeline: `bio` is kept out of line, so an update that leaves it does not send it. */
export const PRIVATE_DDL = `
  CREATE TABLE people (
    code text PRIMARY KEY, account bigint NOT NULL, full_name text NOT NULL, born date, salary numeric(12,2), bio text,
    card text, email text UNIQUE, iban text, city text NOT NULL
  );
  ALTER TABLE people ALTER COLUMN bio SET STORAGE EXTERNAL;
  CREATE TABLE visits (
    id bigint PRIMARY KEY, person_code text NOT NULL REFERENCES people ON UPDATE CASCADE, account bigint NOT NULL, remark text
  );
  ALTER TABLE visits REPLICA IDENTITY FULL;`

export interface PrivateShop {
  readonly system: SystemDefinition
  readonly topics: readonly string[]
}

/** Topics, slot and groups belong to the servers: each shop has names of its own. */
export function privateShopName(): string {
  return `private_${randomBytes(4).toString('hex')}`
}

export function definePrivateShop(name: string): PrivateShop {
  const people = table('people', {
    aggregate: 'Person',
    key: ['code'],
    topic: topic(`${name}.people`, { partitions: 2 }),
    columns: {
      code: text(),
      account: bigint(),
      full_name: text(),
      born: date().nullable(),
      salary: numeric(12, 2).nullable(),
      bio: text().nullable(),
      card: text().nullable(),
      email: text().nullable(),
      iban: text().nullable(),
      city: text(),
    },
    privacy: {
      code: hash(),
      full_name: encrypt({ subject: 'account' }),
      born: encrypt({ subject: 'account' }),
      salary: encrypt({ subject: 'account' }),
      bio: encrypt({ subject: 'account' }),
      card: mask('****', { keepLast: 4 }),
      email: hash(),
      iban: drop(),
    },
  })
  const visits = table('visits', {
    aggregate: 'Visit',
    key: ['id'],
    topic: topic(`${name}.visits`, { partitions: 1 }),
    columns: { id: bigint(), person_code: text(), account: bigint(), remark: text().nullable() },
    privacy: { person_code: hash(), remark: encrypt({ subject: 'account' }) },
  })
  const greetings = handler('greetings', {
    tables: [people],
    holds: [held(people, 'full_name', { into: 'greetings', as: 'line', subject: 'account' })],
    expectations: [
      {
        targetSchema: 'public',
        target: 'greetings',
        key: ['account'],
        columns: ['account', 'line'],
        query: 'SELECT account, full_name AS line FROM public.people',
      },
    ],
    apply: async ({ before, after }, transaction) => {
      await transaction.query('DELETE FROM greetings WHERE code IN ($1, $2)', [before?.['code'], after?.['code']])
      if (after === null) return
      const values = [after['code'], after['account'], after['full_name']]
      await transaction.query('INSERT INTO greetings (code, account, line) VALUES ($1, $2, $3)', values)
    },
  })
  const system = defineSystem({
    name,
    avroSchemas: new URL('./avro/', import.meta.url),
    monolith: { tables: [people, visits], outbox: { topic: topic(`${name}.events`, { partitions: 1 }) } },
    services: {
      crm: {
        migrations: new URL('./crm/', import.meta.url),
        decrypt: [decrypt(people, { full_name: '[erased]', born: null, salary: '0' }), decrypt(visits, { remark: '[erased]' })],
        projections: [
          mapTable(people, {
            into: 'contacts',
            columns: (c) => ({
              code: c.code,
              account: c.account,
              full_name: c.full_name,
              born: c.born,
              salary: c.salary,
              card: c.card,
              email: c.email,
              city: c.city,
            }),
          }),
          mapTable(visits, { into: 'visits' }),
          greetings,
        ],
      },
      mail: {
        migrations: new URL('./mail/', import.meta.url),
        projections: [mapTable(people, { into: 'people' })],
      },
    },
  })
  return { system, topics: [people.topic.name, visits.topic.name, `${name}.events`] }
}
