/** What the projector asks of the Avro codec: the value of a message as an event. */
import type { ProjectedEvent } from '@sluice/system'

export interface EventDecoder {
  /**
   * A promise only where a schema has to be fetched first.
   *
   * @throws SluiceError SLU-4204 if the message is not an event of Sluice, SLU-4201
   */
  decode(value: Buffer): ProjectedEvent | Promise<ProjectedEvent>
}
