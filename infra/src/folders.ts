/** Where downloads, running servers and the state of detached ones are kept: never in the work tree. */
import { lstatSync, mkdirSync } from 'node:fs'
import { homedir, tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { SluiceError } from '@sluice/core'

/** Downloads: `SLUICE_CACHE_DIR`, else the user's cache folder. */
export function cacheFolder(): string {
  const own = process.env['SLUICE_CACHE_DIR']
  const folder = own ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'sluice')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return folder
}

/** State files of detached servers, readable by their user only: they hold passwords. */
export function stateFolder(): string {
  const folder = join(process.env['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state'), 'sluice')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return folder
}

/**
 * The folder of all run folders of this user. Others may pass through it, since PostgreSQL runs as another user where
 * the launcher is root, but not look into it.
 *
 * @throws SluiceError SLU-7001 when the folder belongs to somebody else
 */
export function runsFolder(): string {
  const { uid } = userInfo()
  const folder = join(tmpdir(), `sluice-${uid}`)
  mkdirSync(folder, { recursive: true, mode: 0o711 })
  const { uid: owner } = lstatSync(folder)
  if (uid !== -1 && owner !== uid) {
    throw new SluiceError('SERVER_START_FAILED', {
      what: `the folder ${folder} can not be used`,
      why: `it belongs to user ${owner}, not to ${uid}`,
      ways: ['set TMPDIR to a folder of your own'],
    })
  }
  return folder
}
