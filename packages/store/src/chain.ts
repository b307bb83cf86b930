/**
 * The hash chain of a lane: a link a commit.
 *
 *   link 0  sha256(the 16 bytes of the lane's epoch)
 *   link n  sha256(hash of link n-1 || canonical form of each event of the commit, in position order)
 *
 * The canonical form is the binary COPY tuple of the whole row, see `event-tuple.ts`.
 */
import { type Hash, createHash } from 'node:crypto'
import { type Uuid, namespaceBytes } from '@sluice/core'

export const HASH_BYTES = 32

/** Hash of link 0. */
export function chainStart(epoch: Uuid): Buffer {
  return createHash('sha256').update(namespaceBytes(epoch)).digest()
}

/** Opens a link; give it the tuples of the commit and then take its digest. */
export function openLink(previousHead: Buffer): Hash {
  return createHash('sha256').update(previousHead)
}
