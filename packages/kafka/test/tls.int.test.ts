/** A broker that talks to nobody without TLS, and on one listener to nobody without a password: whom it serves, and what others are told. */
import { readFileSync } from 'node:fs'
import { isSluiceError, silentLogger } from '@sluice/core'
import { type SecuredKafka, startSecuredKafka } from '@sluice/infra'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Authority } from '../../postgres/test/certificates.ts'
import { type KafkaConnection, type KafkaPort, createKafka } from '../src/index.ts'
import { WatchedMember, createTopic, publish, readAll, textsOf } from './kafka-fixture.ts'

const USER = { username: 'sluice', password: 'planted4711' }

let trusted: Authority
let other: Authority
let broker: SecuredKafka

beforeAll(async () => {
  trusted = new Authority()
  other = new Authority()
  broker = await startSecuredKafka({ ...trusted.issue(['DNS:localhost']), user: USER })
})
afterAll(async () => {
  await broker.remove()
  trusted.remove()
  other.remove()
})

/** What a process of Sluice is given by `KAFKA_BROKERS`, `KAFKA_SSL_CA_FILE` and `KAFKA_SASL_…`. */
function kafkaAt(port: number, options: Partial<KafkaConnection> = {}, host = 'localhost'): KafkaPort {
  return createKafka({ brokers: [`${host}:${port}`], clientId: 'tls-test', logger: silentLogger, ...options })
}

function trusting(authority: Authority): Pick<KafkaConnection, 'ssl'> {
  return { ssl: { ca: readFileSync(authority.file, 'utf8') } }
}

/** The client's type has one form for each mechanism. */
function saslOf(mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512', account: typeof USER): KafkaConnection['sasl'] & object {
  if (mechanism === 'plain') return { mechanism, ...account }
  return mechanism === 'scram-sha-256' ? { mechanism, ...account } : { mechanism, ...account }
}

/** Everything that is said of a refusal to be served. */
async function refusalOf(kafka: KafkaPort): Promise<{ readonly code: string; readonly text: string }> {
  const error: unknown = await kafka.admin().catch((refusal: unknown) => refusal)
  if (!isSluiceError(error)) throw new Error('it was served')
  return { code: error.code, text: [error.what, error.why, ...error.ways].join('\n') }
}

test('what is published through TLS is consumed through TLS, by whoever trusts the authority', async () => {
  const kafka = kafkaAt(broker.ports.tls, trusting(trusted))
  const topic = await createTopic(kafka)
  await publish(kafka, topic, ['a', 'b'])
  const member = await WatchedMember.join(kafka, 'by-tls', topic)
  await member.until((m) => m.texts.length === 2)
  await member.consumer.close()
  expect(member.texts).toEqual(['a', 'b'])
  expect(textsOf(await readAll(kafka, topic))).toEqual(['a', 'b'])
})

test('a broker of an authority that is not trusted is refused: the error says how to trust it', async () => {
  const { code, text } = await refusalOf(kafkaAt(broker.ports.tls, trusting(other)))
  expect(code).toBe('CERTIFICATE_REFUSED')
  expect(text).toMatch(/authority that is not trusted|signature of its certificate is not that/)
  expect(text).toContain('KAFKA_SSL_CA_FILE')
})

test('a broker whose certificate is for another host is refused: the error names the host that it is for', async () => {
  const { code, text } = await refusalOf(kafkaAt(broker.ports.tls, trusting(trusted), '127.0.0.1'))
  expect(code).toBe('CERTIFICATE_REFUSED')
  expect(text).toMatch(/another host/)
})

test('a client without TLS gets no answer, and is told that the broker may ask for it', async () => {
  const { code, text } = await refusalOf(kafkaAt(broker.ports.tls))
  expect(code).toBe('KAFKA_UNREACHABLE')
  expect(text).toContain('KAFKA_SSL')
})

test('a client with TLS does not talk to a listener without it', async () => {
  const { code } = await refusalOf(kafkaAt(broker.ports.plain, trusting(trusted)))
  expect(code).toBe('KAFKA_UNREACHABLE')
})

describe.each(['plain', 'scram-sha-256', 'scram-sha-512'] as const)('by %s', (mechanism) => {
  function kafkaWith(password: string): KafkaPort {
    const { username } = USER
    return kafkaAt(broker.ports.password, { ...trusting(trusted), sasl: saslOf(mechanism, { username, password }) })
  }

  test('whoever has the password publishes and reads', async () => {
    const kafka = kafkaWith(USER.password)
    const topic = await createTopic(kafka)
    await publish(kafka, topic, ['a', 'b'])
    expect(textsOf(await readAll(kafka, topic))).toEqual(['a', 'b'])
  })

  test('a wrong password is refused, and is not in what is said', async () => {
    const { code, text } = await refusalOf(kafkaWith('guessed4712'))
    expect(code).toBe('KAFKA_REFUSED')
    expect(text).not.toContain('guessed4712')
    expect(text).not.toContain(USER.password)
  })
})

test('a password is not sent to a broker that is not trusted', async () => {
  const options = { ...trusting(other), sasl: saslOf('plain', USER) }
  expect(await refusalOf(kafkaAt(broker.ports.password, options))).toMatchObject({ code: 'CERTIFICATE_REFUSED' })
})
