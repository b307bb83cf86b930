/**
 * Primary keys that the pipeline database remembers for a load, of tables whose key has a hashed column: sealed, since the load
 * goes on by the keys themselves. The nonce follows from the text, so that one key has one sealed form and can be found again.
 */
import { createHmac } from 'node:crypto'
import { type CapturedTable, qualifiedName } from '@sluice/system'
import { openBytes, sealBytes } from './aes-gcm.ts'
import type { SystemKeys } from './system-secret.ts'

const NONCE_BYTES = 12

export function sealCheckpointKey(keys: SystemKeys, table: CapturedTable, key: readonly string[]): readonly string[] {
  const place = placeOf(table)
  return key.map((text) => {
    const nonce = createHmac('sha256', keys.checkpoint).update(place).update(text).digest().subarray(0, NONCE_BYTES)
    return sealBytes(keys.checkpoint, Buffer.from(text), place, nonce).toString('base64')
  })
}

export function openCheckpointKey(keys: SystemKeys, table: CapturedTable, sealed: readonly string[]): readonly string[] {
  return sealed.map((text) => openBytes(keys.checkpoint, Buffer.from(text, 'base64'), placeOf(table)).toString('utf8'))
}

function placeOf(table: CapturedTable): string {
  return `key/${qualifiedName(table)}`
}
