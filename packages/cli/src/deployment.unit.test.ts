import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { isSluiceError } from '@sluice/core'
import type { SystemDefinition } from '@sluice/system'
import { describe, expect, test } from 'vitest'
import { type DeploymentNeeds, type Environment, readDeployment, urlVariable } from './deployment.ts'

const system: SystemDefinition = {
  name: 'shop',
  avroSchemas: new URL('file:///nowhere/'),
  monolith: { tables: [] },
  services: {
    orders: { migrations: new URL('file:///nowhere/'), projections: [] },
    order_entry: { migrations: new URL('file:///nowhere/'), projections: [] },
  },
}

const everything: DeploymentNeeds = { monolith: true, pipeline: true, services: ['orders'], kafka: true, registry: true }

const complete: Environment = {
  SLUICE_MONOLITH_URL: 'postgresql://u:hush@db:5432/shop',
  SLUICE_PIPELINE_URL: 'postgresql://u:hush@db:5433/pipeline',
  SLUICE_ORDERS_URL: 'postgresql://u:hush@db:5434/orders',
  KAFKA_BROKERS: 'a:9092, b:9092',
  SCHEMA_REGISTRY_URL: 'http://registry:8081/apis/ccompat/v7',
}

function refusal(environment: Environment, needs: DeploymentNeeds = everything) {
  try {
    readDeployment(environment, system, needs)
  } catch (error) {
    if (isSluiceError(error)) return { code: error.code, text: [error.what, error.why, ...error.ways].join('\n') }
    throw error
  }
  throw new Error('nothing was refused')
}

describe('the deployment', () => {
  test('is read from the environment', () => {
    const read = readDeployment(complete, system, { monolith: true, services: ['orders'], kafka: true, registry: true })
    expect(read.monolith.display).toBe('db:5432/shop')
    expect(read.services['orders']?.display).toBe('db:5434/orders')
    expect(read.kafka).toEqual({ brokers: ['a:9092', 'b:9092'], ssl: null, sasl: null })
    expect(read.pipeline).toBeUndefined()
  })

  test('names every missing variable at once, and how to set it', () => {
    const { code, text } = refusal({})
    expect(code).toBe('CONFIG_MISSING')
    for (const name of Object.keys(complete)) expect(text).toContain(`export ${name}=`)
  })

  test('names only what the command needs', () => {
    expect(refusal({}, { pipeline: true }).text).not.toContain('KAFKA_BROKERS')
  })

  test('names every value that can not be used, and none of the secrets', () => {
    const { code, text } = refusal({
      ...complete,
      SLUICE_MONOLITH_URL: 'mysql://u:hush@db/shop',
      KAFKA_BROKERS: 'localhost',
      SCHEMA_REGISTRY_URL: 'registry:8081',
    })
    expect(code).toBe('CONFIG_INVALID')
    expect(text).toContain('the URL of monolith')
    expect(text).toContain('KAFKA_BROKERS')
    expect(text).toContain('SCHEMA_REGISTRY_URL')
    expect(text).not.toContain('hush')
  })

  test('takes a secret from a file; the variable itself wins', () => {
    const file = path.join(mkdtempSync(path.join(tmpdir(), 'sluice-test-')), 'url')
    writeFileSync(file, 'postgresql://u:hush@from-file:5432/shop\n')
    const inFile = { SLUICE_MONOLITH_URL_FILE: file }
    expect(readDeployment(inFile, system, { monolith: true }).monolith.display).toBe('from-file:5432/shop')
    expect(readDeployment({ ...inFile, ...complete }, system, { monolith: true }).monolith.display).toBe('db:5432/shop')
    expect(refusal({ SLUICE_MONOLITH_URL_FILE: '/no/such/file' }, { monolith: true }).text).toContain('/no/such/file')
  })

  test('SASL needs its user and password', () => {
    const sasl = { ...complete, KAFKA_SSL: 'true', KAFKA_SASL_MECHANISM: 'scram-sha-256' }
    expect(refusal(sasl, { kafka: true }).text).toContain('KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD')
    const full = { ...sasl, KAFKA_SASL_USERNAME: 'u', KAFKA_SASL_PASSWORD: 'hush' }
    expect(readDeployment(full, system, { kafka: true }).kafka).toMatchObject({ ssl: {}, sasl: { mechanism: 'scram-sha-256' } })
    expect(refusal({ ...full, KAFKA_SASL_MECHANISM: 'magic' }, { kafka: true }).code).toBe('CONFIG_INVALID')
  })

  test('a service that the system does not have is refused with those it has', () => {
    expect(refusal(complete, { services: ['billing'] })).toMatchObject({
      code: 'SERVICE_UNKNOWN',
      text: expect.stringContaining('orders, order_entry') as string,
    })
    expect(urlVariable('order_entry')).toBe('SLUICE_ORDER_ENTRY_URL')
  })
})

test('how a reader spools and loads: set by the environment, else by the reader itself', () => {
  expect(readDeployment({}, system, { reader: true }).reader).toEqual({ streamsTransactions: true })
  const environment = {
    SLUICE_STREAM_TRANSACTIONS: 'false',
    SLUICE_SPOOL_FOLDER: '/var/lib/sluice',
    SLUICE_SPOOL_BYTES_MAX: '1000000',
    SLUICE_LOAD_READERS: '4',
  }
  expect(readDeployment(environment, system, { reader: true }).reader).toEqual({
    streamsTransactions: false,
    spoolFolder: '/var/lib/sluice',
    spoolBytesMax: 1_000_000,
    loadReaders: 4,
  })
  expect(() => readDeployment({ SLUICE_SPOOL_BYTES_MAX: 'much' }, system, { reader: true })).toThrow('must be a number of bytes')
  expect(() => readDeployment({ SLUICE_LOAD_READERS: 'all' }, system, { reader: true })).toThrow('must be a number of sessions')
})

test('claimed values are read as a role of their own where that is set, else as who reads the pipeline database, else not', () => {
  const pipeline = { SLUICE_PIPELINE_URL: 'postgresql://all@db/pipeline' }
  const claims = { ...pipeline, SLUICE_CLAIMS_URL: 'postgresql://few@db/pipeline' }
  const userOf = (environment: Environment) => readDeployment(environment, system, { claims: true }).claims?.config.user
  expect([userOf(claims), userOf(pipeline), userOf({})]).toEqual(['few', 'all', undefined])
  expect(readDeployment({ SLUICE_MESSAGE_BYTES_MAX: '900000' }, system, { relay: true }).relay).toEqual({
    messageBytesMax: 900_000,
  })
})

test('how many events a relay lets wait while a topic is held', () => {
  expect(readDeployment({ SLUICE_RELAY_PARKED_MAX: '200000' }, system, { relay: true }).relay).toEqual({ parkedMax: 200_000 })
  expect(() => readDeployment({ SLUICE_RELAY_PARKED_MAX: '0' }, system, { relay: true })).toThrow('SLUICE_RELAY_PARKED_MAX')
})
