/**
 * The parts of kafkajs 2.2.4 that it does not declare and Sluice mends, or a test watches; see kafkajs-idle-timer.ts and kafkajs-clock.ts.
 */
declare module 'kafkajs/src/broker/index.js' {
  export default class Broker {
    fetch(request: object): Promise<unknown>
  }
}

declare module 'kafkajs/src/network/requestQueue/index.js' {
  export default class RequestQueue {
    /** Requests that wait to be sent. */
    readonly pending: readonly unknown[]
    scheduleCheckPendingRequests(): void
  }
}

declare module 'kafkajs/src/network/requestQueue/socketRequest.js' {
  export default class SocketRequest {
    /** `Date.now()` when it was sent; null before. */
    sentAt: number | null
  }
}

declare module 'kafkajs/src/consumer/consumerGroup.js' {
  export default class ConsumerGroup {
    constructor(options: { readonly logger: { readonly namespace: () => unknown }; readonly instrumentationEmitter: unknown })
    memberId: string | null
    coordinator: { heartbeat(payload: unknown): Promise<void> } | null
    /** Asks the group's coordinator, unless it was asked less than `interval` milliseconds ago. */
    heartbeat(options: { readonly interval: number }): Promise<void>
  }
}

declare module 'kafkajs/src/cluster/brokerPool.js' {
  export default class BrokerPool {
    /** `Date.now()` when the metadata are read again; null for at once. */
    metadataExpireAt: number | null
  }
}
