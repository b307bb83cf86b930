/** A table's rows on their way from a backup to its store: cut behind the end of a line, in pieces of bounded bytes. */

const NEWLINE = 0x0a

/**
 * @param chunks Cut anywhere.
 * @param bytesMax A piece reaches it before it is cut, so it is longer by a chunk at most; a line that is longer alone stands alone.
 * @returns pieces of whole lines; only the last one may lack its end
 */
export async function* wholeLines(chunks: AsyncIterable<Buffer>, bytesMax: number): AsyncGenerator<Buffer> {
  let held: Buffer[] = []
  let bytes = 0
  for await (const chunk of chunks) {
    held.push(chunk)
    bytes += chunk.length
    if (bytes < bytesMax || !chunk.includes(NEWLINE)) continue
    const all = Buffer.concat(held)
    const end = all.lastIndexOf(NEWLINE) + 1
    yield all.subarray(0, end)
    held = [all.subarray(end)]
    bytes = all.length - end
  }
  if (bytes > 0) yield Buffer.concat(held)
}
