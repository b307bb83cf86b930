/** Adapters of a deployment: Kafka and the schema registry, made from their settings. */
import type { Logger } from '@sluice/core'
import { createSchemaRegistry } from '@sluice/avro'
import { type KafkaPort, createKafka } from '@sluice/kafka'
import type { KafkaSettings, RegistrySettings } from './deployment.ts'

export function kafkaOf(settings: KafkaSettings, logger: Logger, clientId = 'sluice'): KafkaPort {
  return createKafka({
    brokers: settings.brokers,
    clientId,
    logger,
    ...(settings.ssl ? { ssl: settings.ssl.ca === undefined ? true : { ca: settings.ssl.ca } } : {}),
    ...(settings.sasl ? { sasl: settings.sasl } : {}),
  })
}

export function registryOf(settings: RegistrySettings) {
  return createSchemaRegistry({ url: settings.url, ...(settings.auth ? { auth: settings.auth } : {}) })
}
