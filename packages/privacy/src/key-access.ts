/** A connection to the keys in the pipeline database. */
import { type PostgresTarget, RoleConnection } from '@sluice/postgres'
import type { MasterKeys } from './master-keys.ts'

/** Where keys are read, and what unwraps them. */
export interface KeyAccess {
  readonly target: PostgresTarget
  readonly master: MasterKeys
}

/** May see keys, and nothing else of the pipeline database; made by the store's migrations. */
export const KEY_READER_ROLE = 'sluice_key_reader'

export class KeyConnection extends RoleConnection {
  constructor(target: PostgresTarget, applicationName: string) {
    super(target, KEY_READER_ROLE, { applicationName })
  }
}
