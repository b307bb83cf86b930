/** A value that was asked of a server, or the error in its place: one server that is down hides nothing of the others. */
import { type SerializedError, SluiceError, serializeError } from '@sluice/core'

export type Measured<Value> =
  { readonly value: Value; readonly error: null } | { readonly value: null; readonly error: SerializedError }

/** Runs a measurement; its error becomes the value's error. */
export async function measure<Value>(work: () => Promise<Value>): Promise<Measured<Value>> {
  try {
    return { value: await work(), error: null }
  } catch (error) {
    return { value: null, error: serializeError(error) }
  }
}

/** As `measure`, for a client library that has no bound of its own: after `boundMs` the measurement is given up. */
export async function measureWithin<Value>(boundMs: number, name: string, work: () => Promise<Value>): Promise<Measured<Value>> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      reject(noAnswer(name, boundMs))
    }, boundMs)
  })
  try {
    return await measure(() => Promise.race([work(), late]))
  } finally {
    clearTimeout(timer)
  }
}

function noAnswer(name: string, boundMs: number): SluiceError {
  return new SluiceError('KAFKA_UNREACHABLE', {
    what: `${name} could not be read`,
    why: `Kafka did not answer within ${boundMs / 1000} s`,
    ways: ['sluice doctor'],
  })
}
