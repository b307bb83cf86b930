/** Where and how servers of one call are started. */
import type { ContainerRuntimeClient } from 'testcontainers'
import type { DetachedServer } from './detached-state.ts'
import type { PostgresBuild } from './postgres-build.ts'
import type { ProcessLauncher } from './process-launcher.ts'
import type { OnServerProgress } from './progress.ts'

export interface StartPlace {
  readonly runFolder: string
  readonly launcher: ProcessLauncher
  readonly onProgress: OnServerProgress
  readonly postgres: PostgresBuild
  readonly engine: ContainerRuntimeClient | undefined
  /** Detached servers of the same project, running or not. */
  readonly earlier: readonly DetachedServer[]
}
