/**
 * The watcher: a small process that starts servers for its launcher and ends them when the launcher is gone.
 *
 * It is the parent of the servers and reads its orders from a pipe. The kernel closes the pipe when the launcher ends,
 * however it ends, kill -9 included. The watcher has a session of its own, so Ctrl-C in the launcher's terminal does
 * not reach it.
 *
 *   attached  --release-->  released
 *      | pipe closed            | pipe closed
 *      v                        v
 *   ends servers, removes    exits; the servers go on
 *   the run folder
 *
 * Every server is in `processes.jsonl` before the launcher hears of it: if the watcher itself is killed, the next
 * start ends what it left.
 *
 * Arguments: run folder, and `keep-folder` where the folder is older than this watcher.
 */
import { spawn } from 'node:child_process'
import { appendFileSync, closeSync, fsyncSync, openSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { endProcesses, type EndingProcess } from './end-processes.ts'
import { identifyChild, identifyProcess } from './process-identity.ts'
import { watcherRequestSchema, type ProcessRecord, type ProcessSpec, type WatcherReply } from './process-spec.ts'

const [runFolder, keepFolder] = process.argv.slice(2)
if (runFolder === undefined) throw new Error('usage: watcher <run folder> [keep-folder]')

const servers = new Map<number, EndingProcess>()
let isReleased = false
let isEnding = false

for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined)
process.on('SIGTERM', end)
process.on('uncaughtException', (error) => {
  process.stderr.write(`the watcher of sluice's servers failed and ends them: ${error.stack ?? error.message}\n`)
  end()
})
// The launcher may be gone while a reply is on its way.
process.stdout.on('error', () => undefined)

record({ type: 'watcher', process: identifyProcess(process.pid)! })
const orders = createInterface({ input: process.stdin })
orders.on('line', (line) => {
  obey(line)
})
orders.on('close', end)

function obey(line: string): void {
  const request = watcherRequestSchema.parse(JSON.parse(line))
  if (request.type === 'spawn') {
    start(request.id, request.spec)
    return
  }
  isReleased = true
  record({ type: 'released' })
  reply({ type: 'released', id: request.id })
}

function start(id: number, spec: ProcessSpec): void {
  const log = openSync(spec.logFile, 'a', 0o600)
  const child = spawn(spec.file, spec.args, {
    cwd: spec.cwd,
    env: spec.env,
    stdio: ['ignore', log, log],
    detached: true,
    ...spec.user,
  })
  closeSync(log)
  child.on('error', (error) => {
    reply({ type: 'failed', id, message: error.message })
  })
  // Registered at once, not on an event: the pipe may close in between. One that has ended already is told as any other: its log says why.
  const identity = child.pid === undefined ? undefined : identifyChild(child.pid)
  if (identity !== undefined) {
    servers.set(identity.pid, { process: identity, endSignal: spec.endSignal })
    record({ type: 'server', name: spec.name, process: identity, endSignal: spec.endSignal })
    reply({ type: 'spawned', id, process: identity })
  } else if (child.pid !== undefined) {
    reply({ type: 'failed', id, message: `the system does not know process ${child.pid}` })
  }
  child.on('exit', (code, signal) => {
    if (child.pid === undefined) return
    servers.delete(child.pid)
    reply({ type: 'exited', pid: child.pid, reason: signal ?? `exit code ${code ?? 'unknown'}` })
  })
}

function end(): void {
  if (isEnding) return
  isEnding = true
  endServers().then(
    () => process.exit(0),
    (error: unknown) => {
      process.stderr.write(`the watcher of sluice's servers could not end them: ${String(error)}\n`)
      process.exit(1)
    },
  )
}

async function endServers(): Promise<void> {
  if (isReleased) return
  await endProcesses([...servers.values()])
  if (keepFolder === undefined) rmSync(runFolder!, { recursive: true, force: true, maxRetries: 5 })
}

function reply(message: WatcherReply): void {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}

/** Written through, so that it is there after a crash of the machine too. */
function record(entry: ProcessRecord): void {
  const file = openSync(join(runFolder!, 'processes.jsonl'), 'a', 0o600)
  appendFileSync(file, `${JSON.stringify(entry)}\n`)
  fsyncSync(file)
  closeSync(file)
}
