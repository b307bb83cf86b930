/** Progress as plain lines, for a stream that nobody can rewrite: of a download only some steps, everything else whole. */
import { type OnServerProgress, type ServerProgress, describeProgress } from './progress.ts'

const DOWNLOAD_SHARE_STEP = 0.25
const DOWNLOAD_INTERVAL_MS = 5_000

type DownloadProgress = Extract<ServerProgress, { kind: 'download' }>

interface Shown {
  readonly step: number
  readonly atMs: number
}

/** @param now milliseconds of a clock that never goes back */
export function printProgress(stream: { write(text: string): unknown }, now = () => performance.now()): OnServerProgress {
  const shown = new Map<string, Shown>()
  const isDue = ({ part, doneBytes, totalBytes }: DownloadProgress): boolean => {
    const step = Math.floor(doneBytes / totalBytes / DOWNLOAD_SHARE_STEP)
    const last = shown.get(part)
    if (last && step <= last.step && (doneBytes === totalBytes || now() - last.atMs < DOWNLOAD_INTERVAL_MS)) return false
    shown.set(part, { step, atMs: now() })
    return true
  }
  return (progress) => {
    if (progress.kind === 'download' && !isDue(progress)) return
    stream.write(`${describeProgress(progress)}\n`)
  }
}
