/** Tables of the load tests: keys of one and of several columns, and one in a collation that is not the byte order. */
import { type LaneDefinition, bigint, integer, table, text, topic } from '@sluice/system'

export const LOAD_DDL = `
  CREATE TABLE accounts (id bigint PRIMARY KEY, name text NOT NULL, bio text);
  ALTER TABLE accounts ALTER COLUMN bio SET STORAGE EXTERNAL;
  CREATE TABLE entries (
    account_id bigint NOT NULL REFERENCES accounts ON UPDATE CASCADE ON DELETE CASCADE, line integer NOT NULL, amount bigint,
    PRIMARY KEY (account_id, line)
  );
  CREATE TABLE codes (code text COLLATE "und-x-icu" PRIMARY KEY, n integer NOT NULL);
  CREATE TABLE visits (id bigint PRIMARY KEY, n integer NOT NULL);`

const loadTopic = topic('load.all')

export const accounts = table('accounts', {
  columns: { id: bigint(), name: text(), bio: text().nullable() },
  key: ['id'],
  aggregate: 'Account',
  topic: loadTopic,
})
export const entries = table('entries', {
  columns: { account_id: bigint(), line: integer(), amount: bigint().nullable() },
  key: ['account_id', 'line'],
  aggregate: 'Entry',
  topic: loadTopic,
})
export const codes = table('codes', {
  columns: { code: text(), n: integer() },
  key: ['code'],
  aggregate: 'Code',
  topic: loadTopic,
})
export const visits = table('visits', {
  columns: { id: bigint(), n: integer() },
  key: ['id'],
  aggregate: 'Visit',
  topic: loadTopic,
})

export function loadLane(name: string): LaneDefinition {
  return {
    name,
    source: 'monolith',
    tables: [entries, accounts, codes, visits],
    outbox: null,
    slotName: `sluice_load_${name}`,
    publicationName: `sluice_load_${name}`,
  }
}
