/** Faults of the spool, in the user's words. */
import { SluiceError, isSluiceError } from '@sluice/core'

/** Disk full, quota, or file too large. */
const NO_ROOM = new Set(['ENOSPC', 'EDQUOT', 'EFBIG'])

const WITHOUT_SPOOL = 'export SLUICE_STREAM_TRANSACTIONS=false    lets PostgreSQL keep large transactions until they commit'

/** The bound in bytes is reached. Nothing is lost: PostgreSQL keeps what was not acknowledged. */
export function spoolFull(bytes: number, limitBytes: number, folder: string): SluiceError {
  return new SluiceError('SPOOL_FULL', {
    what: `the spool in ${folder} has no room for a transaction in progress`,
    why: `${bytes} bytes would be more than its bound of ${limitBytes}; nothing is lost, PostgreSQL sends it again`,
    ways: [`export SLUICE_SPOOL_BYTES_MAX=${4 * limitBytes}    set it above the largest transaction`, WITHOUT_SPOOL],
  })
}

export function toSpoolError(error: unknown, folder: string): SluiceError {
  if (isSluiceError(error)) return error
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'no code'
  if (NO_ROOM.has(code)) {
    return new SluiceError('SPOOL_FULL', {
      what: `the spool in ${folder} can not grow`,
      why: `the disk says ${code}; nothing is lost, PostgreSQL sends the transaction again`,
      ways: [`df -h ${folder}    shows the room; SLUICE_SPOOL_FOLDER names another place`, WITHOUT_SPOOL],
      cause: error,
    })
  }
  return spoolUnusable(folder, `the system says ${code}`, error)
}

export function spoolUnusable(folder: string, why: string, cause?: unknown): SluiceError {
  return new SluiceError('SPOOL_UNUSABLE', {
    what: `the spool folder ${folder} can not be used`,
    why,
    ways: [`ls -ld ${folder}    it must be a folder of this user, and of nobody else (chmod 700)`, WITHOUT_SPOOL],
    cause,
  })
}
