/**
 * A read replica of a local PostgreSQL server: a physical standby that streams from it, as another local process.
 * https://www.postgresql.org/docs/17/warm-standby.html
 */
import { execFile } from 'node:child_process'
import { appendFile, chown, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { SluiceError } from '@sluice/core'
import pg from 'pg'
import { claimPort } from './free-port.ts'
import { type OwnServer, startOwnServer } from './own-server.ts'
import { createRunFolder } from './run-folder.ts'
import type { RunningServer } from './running-servers.ts'
import { probeOf } from './server-probe.ts'
import { type ServerUser, postgresUser } from './server-user.ts'

const run = promisify(execFile)

export interface PostgresReplica extends OwnServer {
  readonly url: string
}

/**
 * Copies the running primary's data folder and starts a server on the copy.
 *
 * @throws SluiceError SLU-7001 if it does not start, or the primary is no local process
 */
export async function startPostgresReplica(primary: RunningServer): Promise<PostgresReplica> {
  if (primary.origin !== 'process') throw notLocal(primary)
  const runFolder = createRunFolder()
  const dataFolder = join(runFolder, 'data')
  const user = postgresUser()
  const { binary, port } = await copyPrimary(primary, dataFolder, runFolder, user)
  const url = new URL(primary.url)
  url.port = String(port)
  const server = await startOwnServer(
    runFolder,
    {
      name: `PostgreSQL "${primary.name}" replica`,
      file: binary,
      args: ['-D', dataFolder],
      cwd: '/',
      env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' },
      ...(user === undefined ? {} : { user }),
      logFile: join(runFolder, 'server.log'),
      stopSignal: 'SIGINT',
      endSignal: 'SIGQUIT',
    },
    probeOf(primary.name, url.toString()),
  )
  return { url: url.toString(), ...server }
}

/** @returns the program that the primary runs, and the port that the copy will listen on */
async function copyPrimary(
  primary: RunningServer,
  dataFolder: string,
  runFolder: string,
  user: ServerUser | undefined,
): Promise<{ binary: string; port: number }> {
  const client = new pg.Client({ connectionString: primary.url })
  await client.connect()
  try {
    const { rows } = await client.query<{ folder: string }>(`SELECT current_setting('data_directory') AS folder`)
    const source = rows[0]!.folder
    // The primary keeps what the copy lacks from here on.
    const slot = `replica_${Date.now()}`
    await client.query('SELECT pg_create_physical_replication_slot($1, true)', [slot])
    await client.query(`SELECT pg_backup_start('replica', true)`)
    await copyWhileUsed(source, dataFolder)
    const { rows: ended } = await client.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop(false)')
    await rm(join(dataFolder, 'postmaster.pid'), { force: true })
    await writeFile(join(dataFolder, 'backup_label'), ended[0]!.labelfile)
    await writeFile(join(dataFolder, 'standby.signal'), '')
    const port = await claimPort(runFolder)
    const { hostname, port: primaryPort, username, password } = new URL(primary.url)
    const conninfo = `host=${hostname} port=${primaryPort} user=${username} password=${decodeURIComponent(password)}`
    const settings = `port = '${port}'\nprimary_conninfo = '${conninfo}'\nprimary_slot_name = '${slot}'\n`
    await appendFile(join(dataFolder, 'postgresql.conf'), settings)
    for (const file of ['backup_label', 'standby.signal']) {
      if (user !== undefined) await chown(join(dataFolder, file), user.uid, user.gid)
    }
    const options = await readFile(join(source, 'postmaster.opts'), 'utf8')
    return { binary: options.split(' ', 1)[0]!, port }
  } finally {
    await client.end()
  }
}

/**
 * A file that is gone by the time it is copied is no fault: what became of it is in the WAL.
 * https://www.postgresql.org/docs/17/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP-DATA
 */
async function copyWhileUsed(from: string, to: string): Promise<void> {
  try {
    await run('cp', ['-a', from, to], { env: { LC_ALL: 'C', PATH: '/usr/bin:/bin' } })
  } catch (error) {
    const complaints = error instanceof Error && 'stderr' in error ? String(error.stderr).trim().split('\n') : ['']
    if (!complaints.every((line) => line.endsWith(': No such file or directory'))) throw error
  }
}

function notLocal(primary: RunningServer): SluiceError {
  return new SluiceError('SERVER_START_FAILED', {
    what: `no replica of the server ${primary.name} is started`,
    why: `it comes from a ${primary.origin === 'container' ? 'container' : 'given URL'}, and its data folder is not at hand`,
    ways: ['start the primary with useContainers: false'],
  })
}
