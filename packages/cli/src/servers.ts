/** Adapters of a deployment: Kafka and the schema registry, made from their settings. */
import { type SchemaRegistry, createSchemaRegistry } from '@sluice/avro'
import type { Logger } from '@sluice/core'
import { type KafkaConnection, type KafkaPort, createKafka } from '@sluice/kafka'
import type { KafkaSettings, RegistrySettings } from './deployment.ts'

export function kafkaOf(settings: KafkaSettings, logger: Logger, clientId = 'sluice'): KafkaPort {
  return createKafka({
    brokers: settings.brokers,
    clientId,
    logger,
    ...(settings.ssl ? { ssl: settings.ssl.ca === undefined ? true : { ca: settings.ssl.ca } } : {}),
    ...(settings.sasl ? { sasl: saslOf(settings.sasl) } : {}),
  })
}

export function registryOf(settings: RegistrySettings): SchemaRegistry {
  return createSchemaRegistry({ url: settings.url, ...(settings.auth ? { auth: settings.auth } : {}) })
}

/** The client's type has one form for each mechanism. */
function saslOf({ mechanism, ...account }: NonNullable<KafkaSettings['sasl']>): NonNullable<KafkaConnection['sasl']> {
  switch (mechanism) {
    case 'plain':
      return { mechanism, ...account }
    case 'scram-sha-256':
      return { mechanism, ...account }
    case 'scram-sha-512':
      return { mechanism, ...account }
  }
}
