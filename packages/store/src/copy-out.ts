/** Runs a binary COPY TO and hands over its tuples. */
import type { ClientBase } from 'pg'
import { to as copyTo } from 'pg-copy-streams'
import { CopyTupleSplitter, type TupleRun } from './copy-tuples.ts'

const STREAM_BUFFER_BYTES = 256 * 1024

/**
 * @param query A SELECT; COPY takes no parameters, so only numbers may be put into it.
 * @param onTuples Called with each run of tuples; the run's buffer is the caller's.
 * @throws what PostgreSQL or `onTuples` threw; the connection is then in the middle of a COPY and must be closed.
 */
export async function copyOut(client: ClientBase, query: string, onTuples: (run: TupleRun) => void): Promise<void> {
  const splitter = new CopyTupleSplitter()
  const stream = client.query(copyTo(`COPY (${query}) TO STDOUT (FORMAT binary)`, { highWaterMark: STREAM_BUFFER_BYTES }))
  for await (const piece of stream) {
    const run = splitter.push(piece as Buffer)
    if (run) onTuples(run)
  }
  splitter.end()
}
