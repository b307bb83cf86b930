/** Ways to the sinks of services. */
import type { Sink } from './sink.ts'

/** Makes the sink of a service, by the service's name; whoever makes one closes it. */
export type OpenSinks = Readonly<Record<string, () => Sink>>
