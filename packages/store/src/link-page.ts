/** A page of the chain: links, and the tuples of their events as they come from the store. */
import type { Hash } from 'node:crypto'
import { openLink } from './chain.ts'
import { Broken } from './chain-report.ts'
import type { TupleRun } from './copy-tuples.ts'
import { tuplePosition } from './event-tuple.ts'

/** Where a check begins: the number, hash and last position of a link that is taken as it is. */
export interface ChainPlace {
  readonly link: bigint
  readonly hash: Buffer
  readonly position: bigint
}

export interface LinkRow {
  readonly link: bigint
  readonly first: bigint
  readonly last: bigint
  readonly hash: Buffer
}

/** Hashes the tuples of some links as they come, in stretches as long as they lie in one buffer. */
export class LinkPage {
  readonly #links: readonly LinkRow[]
  readonly #onLink: (place: ChainPlace) => void
  #index = 0
  #position: bigint
  #hash: Hash

  constructor(links: readonly LinkRow[], from: ChainPlace, onLink: (place: ChainPlace) => void) {
    this.#links = links
    this.#onLink = onLink
    this.#position = from.position
    this.#hash = openLink(from.hash)
  }

  take({ buffer, bounds }: TupleRun): void {
    let from = bounds[0]!
    for (let i = 0; i + 1 < bounds.length; i += 1) {
      const link = this.#links[this.#index]
      const position = tuplePosition(buffer, bounds[i]!)
      if (!link || position !== this.#position + 1n) throw this.#missing(position)
      this.#position = position
      if (position < link.last) continue
      this.#hash.update(buffer.subarray(from, bounds[i + 1]))
      from = bounds[i + 1]!
      this.#close(link)
    }
    this.#hash.update(buffer.subarray(from, bounds[bounds.length - 1]))
  }

  /** @throws Broken if events of the page are missing at its end. */
  end(): void {
    if (this.#index < this.#links.length) throw this.#missing(null)
  }

  #close(link: LinkRow): void {
    const hash = this.#hash.digest()
    if (!hash.equals(link.hash)) {
      const why = `the events from position ${link.first} to ${link.last} give another hash than link ${link.link} has`
      throw new Broken('changed', link.link, link.first, why)
    }
    this.#index += 1
    this.#hash = openLink(hash)
    this.#onLink({ link: link.link, hash, position: link.last })
  }

  #missing(found: bigint | null): Broken {
    const expected = this.#position + 1n
    const why = `position ${expected} is not there${found === null ? '' : `, after it comes ${found}`}`
    return new Broken('event-missing', this.#links[this.#index]?.link ?? 0n, expected, why)
  }
}
