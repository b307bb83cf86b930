/** What starting servers tells while it works; the caller shows it on stderr. */
import type { ServerName } from './server-settings.ts'

export type ServerOrigin = 'environment' | 'container' | 'process'

export type ServerProgress =
  | { readonly kind: 'download'; readonly part: string; readonly doneBytes: number; readonly totalBytes: number }
  | { readonly kind: 'waiting'; readonly what: string }
  | { readonly kind: 'starting'; readonly server: ServerName; readonly origin: ServerOrigin }
  | { readonly kind: 'ready'; readonly server: ServerName; readonly origin: ServerOrigin; readonly ms: number }
  | { readonly kind: 'fallback'; readonly server: ServerName; readonly why: string }
  | { readonly kind: 'cleaned'; readonly what: string }

export type OnServerProgress = (progress: ServerProgress) => void

/** One line of text for a progress event. */
export function describeProgress(progress: ServerProgress): string {
  switch (progress.kind) {
    case 'download':
      return `downloading ${progress.part}: ${mebibytes(progress.doneBytes)} of ${mebibytes(progress.totalBytes)} MiB`
    case 'waiting':
      return `waiting for ${progress.what}`
    case 'starting':
      return `starting ${progress.server} (${progress.origin})`
    case 'ready':
      return `${progress.server} ready (${progress.origin}, ${progress.ms} ms)`
    case 'fallback':
      return `no container for ${progress.server} (${progress.why}): a local process instead`
    case 'cleaned':
      return `removed ${progress.what}`
  }
}

function mebibytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1)
}
