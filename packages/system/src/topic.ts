/** A Kafka topic of the system, as `provision` creates it. */
export interface TopicDefinition {
  readonly name: string
  readonly partitions: number
  /** How long events stay; -1 for ever. */
  readonly retentionMs: number
  /** `cloudevents` adds the binary mode of CloudEvents 1.0, at a price per message. */
  readonly headers: 'default' | 'cloudevents'
}

const SEVEN_DAYS_MS = 7 * 24 * 60 * 60 * 1000

/**
 * @param options.partitions default 3
 * @param options.retentionMs default 7 days
 */
export function topic(name: string, options: Partial<Omit<TopicDefinition, 'name'>> = {}): TopicDefinition {
  return {
    name,
    partitions: options.partitions ?? 3,
    retentionMs: options.retentionMs ?? SEVEN_DAYS_MS,
    headers: options.headers ?? 'default',
  }
}

/** The control topic of a lane. It starts with the system's name, since a cluster may carry several. */
export function controlTopicName(system: string, lane: string): string {
  return `sluice.${system}.${lane}.control`
}
