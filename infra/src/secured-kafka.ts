/**
 * A Kafka broker for itself whose listeners ask for TLS, one of them for a password too, for tests of what clients trust.
 *
 * https://kafka.apache.org/41/security/encryption-and-authentication-using-ssl/
 * https://kafka.apache.org/41/security/authentication-using-sasl/
 */
import { claimPort } from './free-port.ts'
import { type KafkaListeners, prepareLocalKafka } from './local-kafka.ts'
import { type OwnServer, startOwnServer } from './own-server.ts'
import type { OnServerProgress } from './progress.ts'
import { createRunFolder } from './run-folder.ts'
import { probeOf } from './server-probe.ts'

export interface SecuredKafkaOptions {
  /** PEM texts of the broker's key and of its certificate, which is for `localhost`. */
  readonly key: string
  readonly certificate: string
  /** Who may log in, by each mechanism. Name and password are of letters and digits. */
  readonly user: { readonly username: string; readonly password: string }
  readonly onProgress?: OnServerProgress
}

export interface SecuredKafka extends OwnServer {
  /** Ports on the loopback interface: without TLS, with TLS, with TLS and a password (`plain`, `scram-sha-256`, `scram-sha-512`). */
  readonly ports: { readonly plain: number; readonly tls: number; readonly password: number }
}

/** @throws SluiceError SLU-7001 to SLU-7004 */
export async function startSecuredKafka(options: SecuredKafkaOptions): Promise<SecuredKafka> {
  const runFolder = createRunFolder()
  const ports = { SSL: await claimPort(runFolder), SASL_SSL: await claimPort(runFolder) }
  const onProgress = options.onProgress ?? (() => undefined)
  const plan = await prepareLocalKafka(runFolder, {}, onProgress, listenersOf(ports, options))
  const server = await startOwnServer(runFolder, plan.spec, probeOf('kafka', plan.url))
  const plain = Number(plan.url.split(':').at(-1))
  return { ports: { plain, tls: ports.SSL, password: ports.SASL_SSL }, ...server }
}

function listenersOf(ports: Readonly<Record<string, number>>, { key, certificate, user }: SecuredKafkaOptions): KafkaListeners {
  const { username, password } = user
  const of = (mechanism: string): string => `listener.name.sasl_ssl.${mechanism}.sasl.jaas.config`
  const scram = 'org.apache.kafka.common.security.scram.ScramLoginModule required;'
  return {
    ports,
    settings: {
      'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL',
      'ssl.keystore.type': 'PEM',
      'ssl.keystore.key': key,
      'ssl.keystore.certificate.chain': certificate,
      'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
      [of('plain')]: `org.apache.kafka.common.security.plain.PlainLoginModule required user_${username}="${password}";`,
      [of('scram-sha-256')]: scram,
      [of('scram-sha-512')]: scram,
    },
    users: ['SCRAM-SHA-256', 'SCRAM-SHA-512'].map((mechanism) => `${mechanism}=[name=${username},password=${password}]`),
  }
}
