import { expect, test } from 'vitest'
import { wholeLines } from './whole-lines.ts'

async function piecesOf(chunks: readonly string[], bytesMax: number): Promise<readonly string[]> {
  const pieces: string[] = []
  for await (const piece of wholeLines(chunksOf(chunks), bytesMax)) pieces.push(piece.toString('utf8'))
  return pieces
}

async function* chunksOf(chunks: readonly string[]): AsyncGenerator<Buffer> {
  for (const chunk of chunks) yield await Promise.resolve(Buffer.from(chunk))
}

test.each([
  ['wherever chunks are cut, pieces end where lines do', ['a\nb', 'b\nc', '\nd\n'], ['a\nbb\n', 'c\nd\n']],
  ['a line that is longer than a piece stands alone', ['aaaa', 'aaaa', 'a\nb\n'], ['aaaaaaaaa\nb\n']],
  ['a last line without its end is not lost', ['aaa\nb'], ['aaa\n', 'b']],
  ['nothing is no piece', [], []],
])('%s', async (_what, chunks, pieces) => {
  expect(await piecesOf(chunks, 4)).toEqual(pieces)
})
