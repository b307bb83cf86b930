/**
 * The master keys wrap every other key, and never leave the environment. Several are known at once while they rotate: the
 * first one wraps, all of them unwrap.
 *
 *   SLUICE_MASTER_KEY=2026-11:<base64 of 32 bytes>[,2025-06:<base64 of 32 bytes>]
 */
import { type KeyObject, createSecretKey } from 'node:crypto'
import { SluiceError } from '@sluice/core'
import { KEY_BYTES, openBytes, sealBytes } from './aes-gcm.ts'

export interface MasterKeys {
  /** Id of the key that wraps. */
  readonly current: string
  readonly keys: ReadonlyMap<string, KeyObject>
}

/** Stands in front of each wrapped key. */
const KEY_ID = /^[A-Za-z0-9_-]{1,64}$/
const wayFor = (variable: string): string =>
  `export ${variable}="$(date +%Y-%m):$(openssl rand -base64 32)"    and keep it apart from the databases`

/**
 * Reads the setting's text: `id:base64`, separated by commas or line ends. Keys of backups are written in the same way.
 *
 * @param origin Name of the variable, for messages.
 * @throws SluiceError SLU-1003, without the text
 */
export function parseMasterKeys(text: string, origin: string): MasterKeys {
  const entries = text
    .split(/[,\s]+/)
    .filter((part) => part !== '')
    .map((part, index) => {
      const at = part.indexOf(':')
      const id = part.slice(0, Math.max(0, at))
      const bytes = Buffer.from(part.slice(at + 1), 'base64')
      if (!KEY_ID.test(id)) throw invalid(origin, `entry ${index + 1} does not begin with an id and a colon`)
      if (bytes.length !== KEY_BYTES) throw invalid(origin, `key "${id}" has ${bytes.length} bytes, it must have ${KEY_BYTES}`)
      return [id, createSecretKey(bytes)] as const
    })
  const [first] = entries
  if (!first) throw invalid(origin, 'it is empty')
  const keys = new Map(entries)
  if (keys.size !== entries.length) throw invalid(origin, 'an id stands in it twice')
  return { current: first[0], keys }
}

/** `<id of the master key>.<base64>`. `bound` says whose key it is. */
export function wrapKey(master: MasterKeys, key: Buffer, bound: string): string {
  return `${master.current}.${sealBytes(master.keys.get(master.current)!, key, bound).toString('base64')}`
}

/** @throws SluiceError SLU-8001 if the master key is not at hand, SLU-8002 if the wrapped key was changed or is another's */
export function unwrapKey(master: MasterKeys, wrapped: string, bound: string): Buffer {
  const id = masterKeyOf(wrapped)
  const key = master.keys.get(id)
  if (!key) {
    throw new SluiceError('MASTER_KEY_MISSING', {
      what: `master key "${id}" is not at hand`,
      why: `a key in the pipeline database is wrapped with it; SLUICE_MASTER_KEY has ${[...master.keys.keys()].join(', ')}`,
      ways: [`add ${id}:<its key> behind the others in SLUICE_MASTER_KEY`],
    })
  }
  try {
    return openBytes(key, Buffer.from(wrapped.slice(id.length + 1), 'base64'), bound)
  } catch (cause) {
    throw new SluiceError('SEALED_VALUE_DAMAGED', {
      what: `a key in the pipeline database does not open with master key "${id}"`,
      why: 'it was changed, it was moved from another row, or another key has that id now',
      ways: ['give back the key that had this id, or restore the row from a backup of the pipeline database'],
      cause,
    })
  }
}

/** Id of the master key that a key is wrapped with. */
export function masterKeyOf(wrapped: string): string {
  return wrapped.slice(0, Math.max(0, wrapped.indexOf('.')))
}

/** @param why What needs them. @throws SluiceError SLU-8001 if none were given */
export function requireMasterKeys(master: MasterKeys | null, why: string): MasterKeys {
  if (master) return master
  throw new SluiceError('MASTER_KEY_MISSING', { what: 'SLUICE_MASTER_KEY is not set', why, ways: [wayFor('SLUICE_MASTER_KEY')] })
}

function invalid(origin: string, why: string): SluiceError {
  return new SluiceError('CONFIG_INVALID', { what: `${origin} holds no keys that can be used`, why, ways: [wayFor(origin)] })
}
