/**
 * The tables of a service's sink, as files of its backup (decision 0025).
 *
 * No transaction spans a service database and its sink, so the order is what makes the two belong together. A sink has a batch's rows
 * before the service's position moves: whoever reads position P and then the sink finds every row up to P, and perhaps later ones. Later ones
 * come again from the topics, and collapse. The other way round the position could be past the sink's rows, which nobody would bring again.
 *
 * B4  A table is read after the snapshot of the service database was taken, never before.
 * B5  A table that could not be read whole fails the backup: what is in its file is all that the store had.
 */
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGzip } from 'node:zlib'
import type { MasterKeys } from '@sluice/privacy'
import type { Sink } from '@sluice/sink'
import type { SinkTable } from '@sluice/system'
import { CountedLines } from './counted-lines.ts'
import { FileToStore, sealingKey } from './file-to-store.ts'
import { type BackedUpSinkTable, type BackupManifest, sinkPart } from './manifest.ts'

/** The sink that a service is filled beside. */
export interface ServiceSink {
  readonly tables: readonly SinkTable[]
  /** Whoever opens one closes it. */
  readonly open: () => Sink
}

export interface SinkBackupOptions {
  readonly sink: ServiceSink
  /** Of the backup. */
  readonly folder: string
  readonly origin: Pick<BackupManifest, 'system' | 'database' | 'startedAt' | 'encryption'>
  readonly keys: MasterKeys | null
  /** Level of gzip. @default zlib's own */
  readonly compression?: number | undefined
  /** Tables that were begun, and bytes that were written since the last call. */
  readonly onProgress: (tables: number, bytes: number) => void
  readonly signal: AbortSignal
}

/** Work with a sink that is closed afterwards, whatever happens. */
export async function withSink<Result>({ open }: ServiceSink, work: (sink: Sink) => Promise<Result>): Promise<Result> {
  const sink = open()
  try {
    return await work(sink)
  } finally {
    await sink.close()
  }
}

/** @throws SluiceError SLU-5101 to SLU-5103 of the sink; faults of the file system; the signal's reason */
export async function backUpSink(options: SinkBackupOptions): Promise<readonly BackedUpSinkTable[]> {
  const { sink: service, folder, origin, keys, compression, onProgress, signal } = options
  const key = sealingKey(keys)
  return withSink(service, async (sink) => {
    await sink.open()
    const backedUp: BackedUpSinkTable[] = []
    for (const [index, table] of service.tables.entries()) {
      onProgress(index + 1, 0)
      const about = { store: table.store, table: table.name }
      const rows = new CountedLines()
      const file = new FileToStore(sinkPart(folder, origin, about), key, (bytes) => onProgress(index + 1, bytes))
      const gzip = createGzip(compression === undefined ? {} : { level: compression })
      await pipeline([Readable.from(sink.exportRows(table, signal)), rows, gzip, ...file.stages], { signal })
      backedUp.push({ ...about, rows: rows.lines, file: file.stored })
    }
    return backedUp
  })
}
