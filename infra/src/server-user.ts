/** The user that PostgreSQL runs as: it refuses to run as root. */
import { execFileSync } from 'node:child_process'
import { userInfo } from 'node:os'
import { SluiceError } from '@sluice/core'

export interface ServerUser {
  readonly uid: number
  readonly gid: number
}

const NAME = 'nobody'

/**
 * `nobody` where this process is root, else undefined: the user itself.
 *
 * @throws SluiceError SLU-7004 when root has no such user to hand over to
 */
export function postgresUser(): ServerUser | undefined {
  if (userInfo().uid !== 0) return undefined
  try {
    return { uid: idOf('-u'), gid: idOf('-g') }
  } catch (error) {
    throw new SluiceError('TOOL_MISSING', {
      what: 'PostgreSQL can not be started by root',
      why: `the system has no user "${NAME}" to run it as`,
      ways: ['run the command as another user than root', `useradd --system ${NAME}`],
      cause: error,
    })
  }
}

function idOf(flag: '-u' | '-g'): number {
  return Number(execFileSync('id', [flag, NAME], { encoding: 'utf8' }))
}
