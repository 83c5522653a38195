// The body of the `stream` scenario: 64 KiB in 16 pieces.

const PIECE = Buffer.alloc(4096, 'x')

exports.pieces = async function* () {
  for (let piece = 0; piece < 16; piece++) yield PIECE
}
