/** Why a service can not go on from what Kafka holds: the checks of each hand-over (promise 1). */
import { type Offset, type PositionNumber, SluiceError, type TopicPartition } from '@sluice/core'

const ANEW = 'build the service anew: empty its database, and the tables of its sink if it has one, then: sluice provision'

export function anotherEpoch(service: string, laneName: string, known: string, found: string): SluiceError {
  return new SluiceError('KAFKA_AHEAD', {
    what: `service "${service}" and the control topic of lane ${laneName} do not belong together`,
    why: `the service consumes lane epoch ${known}, the topic carries epoch ${found}: the slot was made anew`,
    ways: [ANEW],
  })
}

export function anotherCluster(service: string, known: string, found: string): SluiceError {
  return new SluiceError('KAFKA_CLUSTER_CHANGED', {
    what: `service "${service}" was built from another Kafka cluster`,
    why: `it knows cluster ${known}, and this is cluster ${found}`,
    ways: ['export KAFKA_BROKERS=<the brokers of the former cluster>', ANEW],
  })
}

export function topicMadeAnew(service: string, place: TopicPartition, next: Offset, high: Offset): SluiceError {
  return new SluiceError('KAFKA_CLUSTER_CHANGED', {
    what: `${place.topic}, partition ${place.partition} was made anew`,
    why: `service "${service}" has consumed it up to offset ${next}, and it ends at ${high}`,
    ways: ['restore the topic from a copy', ANEW],
  })
}

export function offsetsMoved(service: string, laneName: string, known: PositionNumber, found: string | undefined): SluiceError {
  return new SluiceError('OFFSETS_MOVED', {
    what: `another projector of service "${service}" is at work`,
    why: `lane ${laneName} stood at position ${known} here; ${found === undefined ? 'its offsets were moved' : `the database says ${found}`}`,
    ways: [`sluice status    shows who is active; one projector a service works, the others stand by`],
  })
}

export function partitionLost(service: string, place: TopicPartition & { readonly next: Offset }): SluiceError {
  return new SluiceError('OFFSETS_MOVED', {
    what: `another projector of service "${service}" has taken over ${place.topic}, partition ${place.partition}`,
    why: `it stood at offset ${place.next} here, and another member owns it now, or moved it`,
    ways: ['sluice status    shows who is active; the members of an independent service share its partitions'],
  })
}
