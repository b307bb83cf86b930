/** How one server process is started, and what the launcher and its watcher tell each other, one JSON text a line. */
import { z } from 'zod'

export const processIdentitySchema = z.object({ pid: z.int().positive(), startedAt: z.string() })

/** All that is needed to start the process, again too: it is kept in the state file of detached servers. */
export const processSpecSchema = z.object({
  /** For messages and the log file's name. */
  name: z.string(),
  file: z.string(),
  args: z.array(z.string()),
  cwd: z.string(),
  env: z.record(z.string(), z.string()),
  /** User and group to run as, where the launcher is root and the server refuses to be. */
  user: z.object({ uid: z.int(), gid: z.int() }).optional(),
  /** Takes stdout and stderr. */
  logFile: z.string(),
  /** Ends the process cleanly. */
  stopSignal: z.enum(['SIGINT', 'SIGTERM']),
  /** Ends the process at once, when its data is removed anyway; it must take its children with it. */
  endSignal: z.enum(['SIGQUIT', 'SIGKILL']),
})

export type ProcessSpec = z.infer<typeof processSpecSchema>

export const watcherRequestSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('spawn'), id: z.int(), spec: processSpecSchema }),
  /** From now on the end of the pipe ends nothing: the servers outlive their launcher. */
  z.object({ type: z.literal('release'), id: z.int() }),
])

export type WatcherRequest = z.infer<typeof watcherRequestSchema>

export const watcherReplySchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('spawned'), id: z.int(), process: processIdentitySchema }),
  z.object({ type: z.literal('failed'), id: z.int(), message: z.string() }),
  z.object({ type: z.literal('released'), id: z.int() }),
  z.object({ type: z.literal('exited'), pid: z.int(), reason: z.string() }),
])

export type WatcherReply = z.infer<typeof watcherReplySchema>

/** A line of `processes.jsonl` in a run folder: what the next start must end if the watcher could not. */
export const processRecordSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('watcher'), process: processIdentitySchema }),
  z.object({
    type: z.literal('server'),
    name: z.string(),
    process: processIdentitySchema,
    endSignal: z.enum(['SIGQUIT', 'SIGKILL']),
  }),
  z.object({ type: z.literal('released') }),
])

export type ProcessRecord = z.infer<typeof processRecordSchema>
