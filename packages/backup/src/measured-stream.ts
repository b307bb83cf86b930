/** Hands on what goes through as it is, and shows each piece. */
import { Transform } from 'node:stream'

export function measured(onPiece: (piece: Buffer) => void): Transform {
  return new Transform({
    transform(piece: Buffer, _encoding, done) {
      onPiece(piece)
      done(null, piece)
    },
  })
}
