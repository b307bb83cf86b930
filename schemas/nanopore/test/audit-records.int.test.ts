/** Audit records are inserted, and never changed or removed, but by retention: PostgreSQL itself refuses it, in monolith and service. */
import { randomUUID } from 'node:crypto'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type OpenDatabase, openDatabase } from './databases.ts'

const OLD = '2020-03-01T12:00:00Z'

describe.each(['monolith', 'audit'] as const)('in the database of %s', (name) => {
  let database: OpenDatabase
  let client: pg.Client
  /** A role with every right on the table that can be granted. */
  const role = `writer_${randomUUID().replaceAll('-', '')}`

  beforeAll(async () => {
    database = await openDatabase(name)
    client = database.client
    await client.query(`CREATE ROLE ${role}; GRANT ALL ON audit_logs, retention_runs, retention_policies TO ${role}`)
  })
  afterAll(async () => {
    await client.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`)
    await database[Symbol.asyncDispose]()
  })
  beforeEach(async () => {
    await client.query('RESET ROLE')
    await client.query('TRUNCATE retention_policies')
  })

  async function insert(entityType: string, occurredAt: string): Promise<string> {
    const { rows } = await client.query<{ id: string }>(
      `INSERT INTO audit_logs (entity_type, entity_id, action, occurred_at) VALUES ($1, '1', 'update', $2) RETURNING id`,
      [entityType, occurredAt],
    )
    return rows[0]!.id
  }

  async function policy(entityType: string, days: number, isActive = true): Promise<void> {
    await client.query(
      'INSERT INTO retention_policies (entity_type, retention_days, legal_basis, is_active) VALUES ($1, $2, $3, $4)',
      [entityType, days, 'the law', isActive],
    )
  }

  const refused = { code: '23001' }

  test.each(['the owner, a superuser', 'a role with every right'])('%s can insert, and change or remove nothing', async (who) => {
    // Though retention would let them go.
    await policy('sample', 30)
    if (who !== 'the owner, a superuser') await client.query(`SET ROLE ${role}`)
    const id = await insert('sample', OLD)
    await expect(client.query(`UPDATE audit_logs SET entity_id = '2' WHERE id = $1`, [id])).rejects.toMatchObject(refused)
    await expect(client.query('DELETE FROM audit_logs WHERE id = $1', [id])).rejects.toMatchObject(refused)
    await expect(client.query('TRUNCATE audit_logs')).rejects.toMatchObject(refused)
    const { rows } = await client.query('SELECT entity_id FROM audit_logs WHERE id = $1', [id])
    expect(rows).toEqual([{ entity_id: '1' }])
  })

  test('nor can a session that replicates, where other triggers are silent', async () => {
    const id = await insert('sample', OLD)
    await client.query('SET session_replication_role = replica')
    await expect(client.query('DELETE FROM audit_logs WHERE id = $1', [id])).rejects.toMatchObject(refused)
    await expect(client.query(`UPDATE audit_logs SET entity_id = '2' WHERE id = $1`, [id])).rejects.toMatchObject(refused)
    await client.query('RESET session_replication_role')
  })

  test('nor can a session whose temporary tables have the names of what is asked', async () => {
    const id = await insert('sample', OLD)
    await client.query(`SET ROLE ${role}`)
    await client.query(`CREATE TEMP TABLE pg_roles AS
      SELECT current_user::name AS rolname, 'nanopore_retention'::regrole::oid AS oid, false AS rolsuper`)
    await client.query(
      `CREATE TEMP TABLE retention_policies AS SELECT 'sample' AS entity_type, true AS is_active, 0 AS retention_days`,
    )
    await expect(client.query('DELETE FROM audit_logs WHERE id = $1', [id])).rejects.toMatchObject(refused)
    await client.query('DROP TABLE pg_temp.pg_roles, pg_temp.retention_policies')
  })

  test('nor by a trigger that makes another row of one that is written as it is', async () => {
    const id = await insert('sample', OLD)
    await client.query(`CREATE FUNCTION pg_temp.other_row() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN NEW.entity_id := '2'; RETURN NEW; END $$`)
    await client.query('CREATE TRIGGER zz BEFORE UPDATE ON audit_logs FOR EACH ROW EXECUTE FUNCTION pg_temp.other_row()')
    await expect(client.query('UPDATE audit_logs SET entity_id = entity_id WHERE id = $1', [id])).rejects.toMatchObject(refused)
    await client.query('DROP TRIGGER zz ON audit_logs')
  })

  test('a record that is written again as it is stays, as a backfill writes it', async () => {
    const id = await insert('sample', OLD)
    const again = await client.query(
      `INSERT INTO audit_logs SELECT * FROM audit_logs WHERE id = $1 ON CONFLICT (id) DO UPDATE SET entity_id = excluded.entity_id`,
      [id],
    )
    expect(again.rowCount).toBe(1)
  })

  test('the role of retention removes what an active policy lets go, nothing else, and leaves a record of it', async () => {
    const gone = [await insert('login', OLD), await insert('login', '2020-04-01T12:00:00Z')]
    const recent = await insert('login', new Date().toISOString())
    const [unruled, inactive] = [await insert('export', OLD), await insert('report', OLD)]
    await policy('login', 30)
    await policy('report', 30, false)
    await client.query('SET ROLE nanopore_retention')
    for (const id of [recent, unruled, inactive])
      await expect(client.query('DELETE FROM audit_logs WHERE id = $1', [id])).rejects.toMatchObject(refused)
    await expect(client.query(`UPDATE audit_logs SET entity_id = '2'`)).rejects.toMatchObject({ code: '42501' })
    expect((await client.query('DELETE FROM audit_logs WHERE id = ANY ($1)', [gone])).rowCount).toBe(2)
    await client.query('RESET ROLE')
    const { rows } = await client.query(
      `SELECT removed_by = session_user AS named, entity_type, records::int, oldest FROM retention_runs ORDER BY id DESC LIMIT 1`,
    )
    expect(rows).toEqual([{ named: true, entity_type: 'login', records: 2, oldest: new Date(OLD) }])
  })

  test('a role that was granted retention passes as it does, as the projector needs it', async () => {
    const id = await insert('login', OLD)
    await policy('login', 30)
    await client.query(`SET ROLE ${role}`)
    await expect(client.query('DELETE FROM audit_logs WHERE id = $1', [id])).rejects.toMatchObject(refused)
    await client.query('RESET ROLE')
    await client.query(`GRANT nanopore_retention TO ${role}`)
    await client.query(`SET ROLE ${role}`)
    expect((await client.query('DELETE FROM audit_logs WHERE id = $1', [id])).rowCount).toBe(1)
    await client.query('RESET ROLE')
    await client.query(`REVOKE nanopore_retention FROM ${role}`)
  })

  test('the records of removals are kept from everybody', async () => {
    for (const statement of [`UPDATE retention_runs SET records = 0`, 'DELETE FROM retention_runs', 'TRUNCATE retention_runs'])
      await expect(client.query(statement)).rejects.toMatchObject(refused)
  })
})

test('what was read is kept from everybody, too', async () => {
  await using audit = await openDatabase('audit')
  await audit.client.query(`INSERT INTO data_access_log (service, kind, purpose) VALUES ('samples', 'read', 'test')`)
  for (const statement of [`UPDATE data_access_log SET purpose = ''`, 'DELETE FROM data_access_log', 'TRUNCATE data_access_log'])
    await expect(audit.client.query(statement)).rejects.toMatchObject({ code: '23001' })
})
