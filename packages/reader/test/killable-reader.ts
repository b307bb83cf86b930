/** A reader in a process of its own, over the tables of the load tests. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type ReaderFixture, TEST_LIMITS } from './reader-fixture.ts'

export interface KillableReader {
  readonly child: ChildProcess
  /** Resolves at a report's line that contains the text; rejects if the process ends before. */
  line(text: string, times?: number): Promise<void>
  kill(): Promise<void>
}

export function startKillableReader(source: ReaderFixture, laneName: string, limits: object): KillableReader {
  const script = fileURLToPath(new URL('reader-process.ts', import.meta.url))
  const { config } = source.sourceTarget
  const url = (target: typeof source.sourceTarget): string =>
    `postgresql://${target.config.user ?? 'postgres'}:${String(target.config.password ?? '')}@${target.config.host ?? config.host ?? ''}:${String(target.config.port)}/${target.database}`
  const child = spawn(
    process.execPath,
    [script, url(source.sourceTarget), url(source.pipelineTarget), laneName, JSON.stringify({ ...TEST_LIMITS, ...limits })],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  const exited = once(child, 'exit')
  const seen: string[] = []
  let stderr = ''
  child.stderr.on('data', (text: Buffer) => (stderr += text.toString()))
  const listeners = new Set<() => void>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    seen.push(line)
    for (const listener of listeners) listener()
  })
  return {
    child,
    line: (text, times = 1) =>
      new Promise<void>((resolve, reject) => {
        const look = (): void => {
          if (seen.filter((l) => l.includes(text)).length < times) return
          listeners.delete(look)
          resolve()
        }
        listeners.add(look)
        look()
        child.once('exit', () => {
          reject(new Error(`the reader ended: ${stderr}`))
        })
      }),
    kill: async () => {
      child.kill('SIGKILL')
      await exited
    },
  }
}
