/**
 * Fetches the assigned partitions for ever, one request at a time to each broker that leads some of them. The broker holds a
 * request until there is something, so an idle loop costs a request each `waitMs`.
 *
 * States of a partition: assigned with an offset → paused ⇄ fetched → gone with the next `assign`.
 *
 * F1  A partition's offset moves only by what was handed over, so nothing is left out and nothing comes twice.
 * F2  What arrives for a partition that was paused or taken away meanwhile is dropped and fetched again later.
 * F3  Held bytes are one answer a broker: `responseBytesMax`.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type Offset, type TopicPartition, isSluiceError, partitionName } from '@sluice/core'
import type { Cluster } from 'kafkajs'
import type { FetchedPartition } from './fetch-response.ts'
import { isStaleMetadata } from './kafka-error.ts'
import { type FetchLimits, type FetchPosition, fetchFrom, leaderOf } from './partition-fetch.ts'

export interface FetchLoopLimits extends FetchLimits {
  readonly unreachableMs: number
}

export interface FetchLoopHandlers {
  readonly onFetched: (fetched: FetchedPartition) => void
  /** The loop stopped; called once. */
  readonly onFailed: (error: unknown) => void
}

interface PartitionState extends TopicPartition {
  offset: Offset
  isPaused: boolean
}

const RETRY_DELAY_MS = 100

export class FetchLoop {
  readonly #cluster: Cluster
  readonly #limits: FetchLoopLimits
  readonly #handlers: FetchLoopHandlers
  readonly #closing = new AbortController()
  readonly #loops = new Map<string, Promise<void>>()
  #partitions = new Map<string, PartitionState>()
  #changed = Promise.withResolvers<undefined>()

  constructor(cluster: Cluster, limits: FetchLoopLimits, handlers: FetchLoopHandlers) {
    this.#cluster = cluster
    this.#limits = limits
    this.#handlers = handlers
  }

  /** Takes the place of what was assigned before. */
  assign(positions: readonly FetchPosition[]): void {
    this.#partitions = new Map(positions.map((p) => [partitionName(p), { ...p, isPaused: false }]))
    this.#startLoops()
    this.#wake()
  }

  pause(partitions: readonly TopicPartition[]): void {
    for (const at of partitions) this.#setPaused(at, true)
  }

  resume(partitions: readonly TopicPartition[]): void {
    for (const at of partitions) this.#setPaused(at, false)
    this.#wake()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    this.#partitions.clear()
    this.#wake()
    await Promise.all(this.#loops.values())
    await this.#cluster.disconnect()
  }

  #setPaused(at: TopicPartition, isPaused: boolean): void {
    const state = this.#partitions.get(partitionName(at))
    if (state) state.isPaused = isPaused
  }

  #wake(): void {
    this.#changed.resolve(undefined)
    this.#changed = Promise.withResolvers<undefined>()
  }

  get #isClosing(): boolean {
    return this.#closing.signal.aborted
  }

  /** One loop a leader. A loop lives on when its broker leads nothing any more: it waits for a change. */
  #startLoops(): void {
    for (const state of this.#partitions.values()) {
      const nodeId = leaderOf(this.#cluster, state)
      if (nodeId !== undefined && !this.#loops.has(nodeId) && !this.#isClosing) this.#loops.set(nodeId, this.#loop(nodeId))
    }
  }

  async #loop(nodeId: string): Promise<void> {
    let failingSince: number | undefined
    while (!this.#isClosing) {
      const changed = this.#changed.promise
      const wanted = [...this.#partitions.values()].filter((p) => !p.isPaused && leaderOf(this.#cluster, p) === nodeId)
      if (wanted.length === 0) {
        await changed
        continue
      }
      try {
        const positions = wanted.map(({ topic, partition, offset }) => ({ topic, partition, offset }))
        const fetched = await fetchFrom(this.#cluster, nodeId, positions, this.#limits)
        failingSince = undefined
        wanted.forEach((state, i) => {
          this.#handOver(state, positions[i], fetched)
        })
      } catch (error) {
        failingSince ??= performance.now()
        if (!(await this.#recover(error, failingSince))) return
      }
    }
  }

  #handOver(state: PartitionState, asked: FetchPosition | undefined, all: readonly FetchedPartition[]): void {
    const fetched = all.find((f) => f.partition === state.partition && f.topic === state.topic)
    const isCurrent = this.#partitions.get(partitionName(state)) === state && state.offset === asked?.offset
    if (fetched?.next == null || !isCurrent || state.isPaused || this.#isClosing) return
    state.offset = fetched.next
    this.#handlers.onFetched(fetched)
  }

  /** @returns false if the loop can't go on */
  async #recover(error: unknown, failingSince: number): Promise<boolean> {
    if (this.#isClosing) return false
    const downMs = performance.now() - failingSince
    if (isSluiceError(error) || downMs > this.#limits.unreachableMs) {
      this.#stop(error)
      return false
    }
    try {
      if (downMs > 0 && !isStaleMetadata(error)) {
        await delay(RETRY_DELAY_MS, undefined, { signal: this.#closing.signal })
      }
      await this.#cluster.refreshMetadata()
      this.#startLoops()
      this.#wake()
    } catch {
      // The next fetch meets the same fault, and gives up when it has lasted too long.
    }
    return true
  }

  #stop(error: unknown): void {
    if (this.#isClosing) return
    this.#closing.abort()
    this.#wake()
    this.#handlers.onFailed(error)
  }
}
