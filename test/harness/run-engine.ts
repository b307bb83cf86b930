/** An engine in the test's own process. One that lost Kafka begins again, as under the supervisor: a busy machine breaks connections. */
import { isSluiceError } from '@sluice/core'

interface Engine {
  run(signal: AbortSignal): Promise<void>
}

/** @param onLoss before it begins again @throws whatever else ends the engine */
export async function runEngine(begin: () => Engine, signal: AbortSignal, onLoss: () => void = () => undefined): Promise<void> {
  for (;;) {
    try {
      await begin().run(signal)
      return
    } catch (error) {
      if (!isSluiceError(error, 'KAFKA_UNREACHABLE')) throw error
      onLoss()
    }
  }
}
